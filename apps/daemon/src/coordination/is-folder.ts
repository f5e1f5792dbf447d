import { statSync } from "node:fs";

/** True when a folder is at this path now. */
export function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
