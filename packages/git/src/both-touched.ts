import { isSameEntry, rootEntry } from "./diff-trees.ts";
import { EMPTY_TREE, isTreeEntry } from "./git-object.ts";
import type { Tree, TreeEntry } from "./git-object.ts";
import type { Repository } from "./repository.ts";

/** A path (bytes as latin1) that others changed from base to tip, and that a candidate has otherwise than the tip. */
export interface TouchedPath {
  readonly path: string;
  readonly base: TreeEntry | undefined;
  readonly tip: TreeEntry | undefined;
  readonly candidate: TreeEntry | undefined;
}

/** Three trees to walk side by side. */
export interface TouchedTrees {
  readonly base: string;
  readonly tip: string;
  readonly candidate: string;
}

function leaf(entry: TreeEntry | undefined): TreeEntry | undefined {
  return isTreeEntry(entry) ? undefined : entry;
}

async function readLevel(repository: Repository, entry: TreeEntry | undefined): Promise<Tree> {
  return isTreeEntry(entry) ? await repository.readTree(entry.objectId) : EMPTY_TREE;
}

type Sides = Omit<TouchedPath, "path">;

function isTouchedByBoth({ base, tip, candidate }: Sides): boolean {
  return !isSameEntry(base, tip) && !isSameEntry(candidate, tip);
}

async function walk(repository: Repository, path: string, sides: Sides, found: TouchedPath[]): Promise<void> {
  const [base, tip, candidate] = await Promise.all([
    readLevel(repository, sides.base),
    readLevel(repository, sides.tip),
    readLevel(repository, sides.candidate),
  ]);
  // A name that only the candidate has is nothing that others did.
  for (const name of new Set([...base.keys(), ...tip.keys()])) {
    const next = { base: base.get(name), tip: tip.get(name), candidate: candidate.get(name) };
    if (!isTouchedByBoth(next)) continue;
    const files = { base: leaf(next.base), tip: leaf(next.tip), candidate: leaf(next.candidate) };
    if (isTouchedByBoth(files)) found.push({ path: path + name, ...files });
    if (isTreeEntry(next.base) || isTreeEntry(next.tip)) {
      await walk(repository, `${path}${name}/`, next, found);
    }
  }
}

/**
 * Finds the files that others changed and that a candidate has otherwise than the tip. Reads only directories in which
 * both happened.
 */
export async function findTouchedByBoth(repository: Repository, trees: TouchedTrees): Promise<TouchedPath[]> {
  const found: TouchedPath[] = [];
  const sides = {
    base: rootEntry(trees.base),
    tip: rootEntry(trees.tip),
    candidate: rootEntry(trees.candidate),
  };
  if (isTouchedByBoth(sides)) await walk(repository, "", sides, found);
  return found;
}
