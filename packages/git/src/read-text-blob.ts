import { GITLINK_MODE, SYMLINK_MODE, isTreeEntry } from "./git-object.ts";
import type { TreeEntry } from "./git-object.ts";
import { splitLines } from "./line-diff.ts";
import type { Repository } from "./repository.ts";

const MAX_TEXT_BYTES = 1024 * 1024;
const SNIFFED_BYTES = 8000;

/** True for content that git would not show as text: a NUL among the first bytes. */
export function isBinary(content: Buffer): boolean {
  return content.subarray(0, SNIFFED_BYTES).includes(0);
}

/** True for an ordinary file, executable or not. */
export function isRegularFile(entry: TreeEntry | undefined): entry is TreeEntry {
  return (
    entry !== undefined && !isTreeEntry(entry) && entry.mode !== SYMLINK_MODE && entry.mode !== GITLINK_MODE
  );
}

/** The lines of a text file of at most 1 MiB; null for everything else. No entry has no lines. */
export async function readTextLines(
  repository: Repository,
  entry: TreeEntry | undefined,
): Promise<string[] | null> {
  if (entry === undefined) return [];
  if (!isRegularFile(entry)) return null;
  const object = await repository.readObject(entry.objectId);
  if (object === null || object.content.length > MAX_TEXT_BYTES || isBinary(object.content)) return null;
  return splitLines(object.content.toString("utf8"));
}
