import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HOOK_CLIENT_FOLDER } from "@canopy/hooks";

const FILES = ["canopy-hook", "canopy-hook.cjs"] as const;

function isSame(path: string, content: Buffer): boolean {
  try {
    return readFileSync(path).equals(content);
  } catch {
    return false;
  }
}

/** Puts the hooks' client where the agents' configurations name it: a path that stays when Canopy is updated. */
export function installHookClient(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const name of FILES) {
    const content = readFileSync(join(HOOK_CLIENT_FOLDER, name));
    const path = join(folder, name);
    if (isSame(path, content)) continue;
    const temporary = `${path}.${process.pid}.tmp`;
    writeFileSync(temporary, content, { mode: 0o700 });
    chmodSync(temporary, 0o700);
    renameSync(temporary, path);
  }
}
