import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** Writes a file of mode 0600 atomically: readers see the old text or the new one. */
export function writePrivateFile(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString("hex")}`;
  writeFileSync(temporary, text, { mode: 0o600, flag: "wx" });
  renameSync(temporary, path);
}

/** Reads the API token, or makes one: 32 random bytes, in a file of mode 0600. */
export function readOrCreateToken(tokenPath: string): string {
  try {
    const token = readFileSync(tokenPath, "utf8").trim();
    if (token !== "") {
      chmodSync(tokenPath, 0o600);
      return token;
    }
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
  const token = randomBytes(32).toString("base64url");
  writePrivateFile(tokenPath, `${token}\n`);
  return token;
}
