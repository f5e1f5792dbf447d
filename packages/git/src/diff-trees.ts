import { EMPTY_TREE, TREE_MODE, isTreeEntry } from "./git-object.ts";
import type { Tree, TreeEntry } from "./git-object.ts";
import type { Repository } from "./repository.ts";

/** A file, link or submodule that differs between two trees. `path` is bytes as latin1. */
export interface TreeDifference {
  readonly path: string;
  readonly before: TreeEntry | undefined;
  readonly after: TreeEntry | undefined;
}

/** True for entries that are the same thing: the same object with the same mode, or both not there. */
export function isSameEntry(left: TreeEntry | undefined, right: TreeEntry | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  return left.objectId === right.objectId && left.mode === right.mode;
}

async function readLevel(repository: Repository, entry: TreeEntry | undefined): Promise<Tree> {
  return isTreeEntry(entry) ? await repository.readTree(entry.objectId) : EMPTY_TREE;
}

function leaf(entry: TreeEntry | undefined): TreeEntry | undefined {
  return isTreeEntry(entry) ? undefined : entry;
}

async function walk(
  repository: Repository,
  path: string,
  sides: readonly [TreeEntry | undefined, TreeEntry | undefined],
  found: TreeDifference[],
): Promise<void> {
  const [left, right] = await Promise.all(sides.map((side) => readLevel(repository, side)));
  if (left === undefined || right === undefined) return;
  for (const name of new Set([...left.keys(), ...right.keys()])) {
    const before = left.get(name);
    const after = right.get(name);
    if (isSameEntry(before, after)) continue;
    const changed = { path: path + name, before: leaf(before), after: leaf(after) };
    if (changed.before !== undefined || changed.after !== undefined) found.push(changed);
    if (isTreeEntry(before) || isTreeEntry(after))
      await walk(repository, `${path}${name}/`, [before, after], found);
  }
}

/** The root of a tree as an entry; null is the empty tree. */
export function rootEntry(tree: string | null): TreeEntry | undefined {
  return tree === null ? undefined : { mode: TREE_MODE, name: "", objectId: tree };
}

/** The files that differ between two trees, without renames. Reads only directories that differ. */
export async function diffTrees(
  repository: Repository,
  from: string | null,
  to: string | null,
): Promise<TreeDifference[]> {
  const found: TreeDifference[] = [];
  if (from !== to) await walk(repository, "", [rootEntry(from), rootEntry(to)], found);
  return found;
}

/** The entry at a path (bytes as latin1) of a tree, or undefined. */
export async function readEntry(
  repository: Repository,
  tree: string | null,
  path: string,
): Promise<TreeEntry | undefined> {
  let entry = rootEntry(tree);
  for (const name of path.split("/")) {
    if (!isTreeEntry(entry)) return undefined;
    entry = (await repository.readTree(entry.objectId)).get(name);
  }
  return entry;
}
