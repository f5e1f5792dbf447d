import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Where the token is that http hooks send: it opens `/hooks/` of the loopback port and nothing else. */
export function hookTokenPath(stateDir: string): string {
  return join(stateDir, "hook-token");
}

/** The hooks' token, or null when none was made yet. */
export function readHookToken(stateDir: string): string | null {
  try {
    const token = readFileSync(hookTokenPath(stateDir), "utf8").trim();
    return token === "" ? null : token;
  } catch {
    return null;
  }
}

/** The hooks' token; makes one of 32 random bytes, mode 0600, when there is none. It stays, for a running daemon knows no other. */
export function ensureHookToken(stateDir: string): string {
  const path = hookTokenPath(stateDir);
  const known = readHookToken(stateDir);
  if (known !== null) {
    chmodSync(path, 0o600);
    return known;
  }
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const token = randomBytes(32).toString("base64url");
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, `${token}\n`, { mode: 0o600, flag: "wx" });
  renameSync(temporary, path);
  return token;
}
