import { resolve } from "node:path";
import type { FileIntent } from "./tool-intent.ts";

/** An absolute, normalised path; `~` is kept as it is, for only the shell knows whose home it means. */
export function resolvePath(cwd: string, path: string): string {
  return resolve(cwd === "" ? "/" : cwd, path);
}

/** An intent on exactly one path, seen from a folder. */
export function createFileIntent(
  kind: FileIntent["kind"],
  path: string,
  about: { readonly cwd: string; readonly detail: string },
): FileIntent {
  return { kind, path: resolvePath(about.cwd, path), glob: null, certainty: "sure", detail: about.detail };
}
