import { createHash } from "node:crypto";
import { CanopyError } from "@canopy/protocol";

/** The hash function of a repository's object ids. */
export type ObjectFormat = "sha1" | "sha256";

/** Kinds of git object. */
export type ObjectKind = "blob" | "tree" | "commit" | "tag";

/** Mode of a directory in a tree object. */
export const TREE_MODE = "40000";
/** Mode of a submodule in a tree object. */
export const GITLINK_MODE = "160000";
/** Mode of a symbolic link in a tree object. */
export const SYMLINK_MODE = "120000";

/**
 * One entry of a tree. `name` holds the raw bytes as a latin1 string, one character a byte, so that any file name
 * survives and that comparing strings compares bytes.
 */
export interface TreeEntry {
  readonly mode: string;
  readonly name: string;
  readonly objectId: string;
}

/** A tree by entry name. */
export type Tree = ReadonlyMap<string, TreeEntry>;

/** A tree without entries. */
export const EMPTY_TREE: Tree = new Map();

/** True for an entry that is a directory. */
export function isTreeEntry(
  entry: TreeEntry | undefined,
): entry is TreeEntry & { readonly mode: typeof TREE_MODE } {
  return entry?.mode === TREE_MODE;
}

/** Length of an object id in bytes. */
export function objectIdBytes(format: ObjectFormat): number {
  return format === "sha1" ? 20 : 32;
}

/** The id of an object with this content. */
export function hashObject(format: ObjectFormat, kind: ObjectKind, content: Uint8Array): string {
  return createHash(format).update(`${kind} ${content.byteLength}\0`).update(content).digest("hex");
}

/** Reads a tree object. Throws `git.failed` when the bytes are not one. */
export function parseTree(content: Buffer, format: ObjectFormat): Tree {
  const idBytes = objectIdBytes(format);
  const entries = new Map<string, TreeEntry>();
  let at = 0;
  while (at < content.length) {
    const space = content.indexOf(0x20, at);
    const nul = content.indexOf(0, space + 1);
    const end = nul + 1 + idBytes;
    if (space < 0 || nul < 0 || end > content.length) {
      throw new CanopyError("git.failed", "a tree object is cut short", { data: { offset: at } });
    }
    const name = content.toString("latin1", space + 1, nul);
    entries.set(name, {
      mode: content.toString("latin1", at, space),
      name,
      objectId: content.toString("hex", nul + 1, end),
    });
    at = end;
  }
  return entries;
}

// git sorts a directory as if its name ended in a slash.
function sortKey(entry: TreeEntry): string {
  return isTreeEntry(entry) ? `${entry.name}/` : entry.name;
}

/** Writes a tree object in git's order. */
export function encodeTree(entries: Iterable<TreeEntry>): Buffer {
  const sorted = [...entries].map((entry) => ({ entry, key: sortKey(entry) }));
  sorted.sort((left, right) => (left.key < right.key ? -1 : left.key > right.key ? 1 : 0));
  const parts: Buffer[] = [];
  for (const { entry } of sorted) {
    parts.push(Buffer.from(`${entry.mode} ${entry.name}\0`, "latin1"), Buffer.from(entry.objectId, "hex"));
  }
  return Buffer.concat(parts);
}

/** What Canopy reads of a commit object. */
export interface CommitHeader {
  readonly tree: string;
  readonly parents: readonly string[];
  /** When it was committed, by the clock of whoever did. */
  readonly committedAtMs: number;
}

/** Reads the tree, the parents and the date of a commit object. Throws `git.failed` when it has no tree. */
export function parseCommitHeader(content: Buffer): CommitHeader {
  const end = content.indexOf("\n\n");
  const lines = content.toString("latin1", 0, end < 0 ? content.length : end).split("\n");
  const tree = lines[0]?.startsWith("tree ") === true ? lines[0].slice(5) : "";
  if (tree === "") throw new CanopyError("git.failed", "a commit object names no tree");
  const parents: string[] = [];
  for (const line of lines.slice(1)) {
    if (!line.startsWith("parent ")) break;
    parents.push(line.slice(7));
  }
  const committer = lines.find((line) => line.startsWith("committer ")) ?? "";
  return { tree, parents, committedAtMs: Number(/> (\d+) /.exec(committer)?.[1] ?? 0) * 1000 };
}

/** A path as bytes in a latin1 string, made readable: UTF-8 where it is UTF-8. */
export function displayPath(bytePath: string): string {
  return Buffer.from(bytePath, "latin1").toString("utf8");
}

/** A readable path as bytes in a latin1 string. */
export function bytePathOf(path: string): string {
  return Buffer.from(path, "utf8").toString("latin1");
}

const OBJECT_ID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** True for a full object id of either format. */
export function isObjectId(text: string): boolean {
  return OBJECT_ID.test(text);
}
