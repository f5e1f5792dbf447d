import { readEntry } from "./diff-trees.ts";
import { GITLINK_MODE, bytePathOf, isTreeEntry } from "./git-object.ts";
import type { Repository } from "./repository.ts";

/** A file of a tree: its mode as in git, such as `100644`, and its content. */
export interface TreeFile {
  readonly mode: string;
  readonly content: Buffer;
}

/** Reads a file (or the target of a symbolic link) of a tree; null for folders, submodules and what is not there. */
export async function readTreeFile(
  repository: Repository,
  tree: string,
  path: string,
): Promise<TreeFile | null> {
  const entry = await readEntry(repository, tree, bytePathOf(path));
  if (entry === undefined || isTreeEntry(entry) || entry.mode === GITLINK_MODE) return null;
  const object = await repository.readObject(entry.objectId);
  return object === null ? null : { mode: entry.mode, content: object.content };
}
