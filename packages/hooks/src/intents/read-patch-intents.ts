import { createFileIntent, resolvePath } from "./file-intent.ts";
import type { FileIntent } from "./tool-intent.ts";

/** Where a patch applies, and how it is named to a person. */
export interface PatchPlace {
  readonly cwd: string;
  readonly detail: string;
}

const MAX_FILES = 2_000;

/**
 * What an `apply_patch` text does (`*** Add File:`, `*** Update File:`, `*** Delete File:`, `*** Move to:`). A moved file is a `move` of the
 * old path and a `write` of the new one.
 */
export function readPatchIntents(patch: string, place: PatchPlace): FileIntent[] {
  const intents: FileIntent[] = [];
  let updated: string | null = null;
  for (const match of patch.matchAll(
    /^\*\*\* (Add File|Update File|Delete File|Move to): *(.+?)[ \t\r]*$/gm,
  )) {
    const [, verb, path = ""] = match;
    if (intents.length >= MAX_FILES) break;
    if (verb === "Move to" && updated !== null) {
      const from = resolvePath(place.cwd, updated);
      const last = intents.findLastIndex((intent) => intent.path === from);
      if (last !== -1) intents[last] = createFileIntent("move", updated, place);
    }
    intents.push(createFileIntent(verb === "Delete File" ? "delete" : "write", path, place));
    updated = verb === "Update File" ? path : null;
  }
  return intents;
}

/** Paths of a unified diff's headers, with `strip` leading names taken off, as `patch -pN` and `git apply` do. */
export function readDiffIntents(diff: string, place: PatchPlace, strip: number): FileIntent[] {
  const intents: FileIntent[] = [];
  const headers = diff.matchAll(/^--- (.+?)(?:\t.*)?\r?\n\+\+\+ (.+?)(?:\t.*)?\r?$/gm);
  for (const [, before = "", after = ""] of headers) {
    if (intents.length >= MAX_FILES) break;
    const isGone = after === "/dev/null";
    const path = stripNames(isGone ? before : after, strip);
    if (path !== "") intents.push(createFileIntent(isGone ? "delete" : "write", path, place));
  }
  for (const [, kind, path = ""] of diff.matchAll(/^(rename from|rename to) (.+?)\r?$/gm))
    intents.push(createFileIntent(kind === "rename from" ? "move" : "write", path, place));
  return intents;
}

function stripNames(path: string, count: number): string {
  return path.split("/").slice(count).join("/");
}
