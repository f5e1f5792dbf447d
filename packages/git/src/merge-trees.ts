import { GITLINK_MODE, TREE_MODE, encodeTree, hashObject, isTreeEntry } from "./git-object.ts";
import type { Tree, TreeEntry } from "./git-object.ts";
import type { Repository } from "./repository.ts";

/** Three trees to merge; null is the empty tree. */
export interface TreeTriple {
  readonly base: string | null;
  readonly ours: string | null;
  readonly theirs: string | null;
}

/**
 * What merging by whole entries came to: a tree, or `contested` when some entries were changed on both sides and a merge
 * of contents has to decide. `directories` are those that were looked into, `paths` the contested entries, both as bytes
 * in latin1; the root is "".
 */
export type TreeMerge =
  | { readonly state: "clean"; readonly tree: string | null }
  | {
      readonly state: "contested";
      readonly directories: readonly string[];
      readonly paths: readonly string[];
    };

/** How to merge trees. `isDryRun`: nothing is written, so a clean answer names a tree that may not be there. */
export interface TreeMergeOptions {
  readonly isDryRun?: boolean;
}

function isSame(left: TreeEntry | undefined, right: TreeEntry | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  return left.objectId === right.objectId && left.mode === right.mode;
}

interface EntryTriple {
  readonly base: TreeEntry | undefined;
  readonly ours: TreeEntry | undefined;
  readonly theirs: TreeEntry | undefined;
}

type Decision = { readonly take: TreeEntry | undefined } | "descend" | "contested";

function isFile(entry: TreeEntry | undefined): boolean {
  return entry !== undefined && entry.mode !== TREE_MODE && entry.mode !== GITLINK_MODE;
}

/**
 * The three-way rule for one entry. A change that both sides made alike is taken only when it is a file that was there
 * before: an addition or deletion on both sides can be half of a rename, which the real merge must judge.
 */
function decide({ base, ours, theirs }: EntryTriple): Decision {
  if (isSame(ours, base)) return { take: theirs };
  if (isSame(theirs, base)) return { take: ours };
  if (isSame(ours, theirs)) return isFile(base) && isFile(ours) ? { take: ours } : "contested";
  const canDescend = isTreeEntry(ours) && isTreeEntry(theirs) && (base === undefined || isTreeEntry(base));
  return canDescend ? "descend" : "contested";
}

function idOf(entry: TreeEntry | undefined): string | null {
  return isTreeEntry(entry) ? entry.objectId : null;
}

interface MergeWalk {
  readonly repository: Repository;
  readonly directories: string[];
  readonly contested: string[];
  /** Merged trees by id, written in the end: a contested merge needs none of them. */
  readonly merged: Map<string, Buffer>;
}

async function mergeEntry(
  walk: MergeWalk,
  path: string,
  triple: EntryTriple,
): Promise<TreeEntry | undefined> {
  const decision = decide(triple);
  const name = (triple.ours ?? triple.theirs ?? triple.base)?.name ?? "";
  if (decision === "contested") {
    walk.contested.push(path + name);
    return undefined;
  }
  if (decision !== "descend") return decision.take;
  const nested: TreeTriple = {
    base: idOf(triple.base),
    ours: idOf(triple.ours),
    theirs: idOf(triple.theirs),
  };
  const objectId = await mergeLevel(walk, `${path}${name}/`, nested);
  return objectId === null ? undefined : { name, mode: TREE_MODE, objectId };
}

function namesOf(...trees: readonly Tree[]): Set<string> {
  const names = new Set<string>();
  for (const tree of trees) for (const name of tree.keys()) names.add(name);
  return names;
}

async function mergeLevel(walk: MergeWalk, path: string, triple: TreeTriple): Promise<string | null> {
  walk.directories.push(path);
  const { repository } = walk;
  const [base, ours, theirs] = await Promise.all([
    repository.readTree(triple.base),
    repository.readTree(triple.ours),
    repository.readTree(triple.theirs),
  ]);
  // Side by side: the reads of neighbouring directories go to git in one go.
  const entries = await Promise.all(
    [...namesOf(base, ours, theirs)].map((name) =>
      mergeEntry(walk, path, { base: base.get(name), ours: ours.get(name), theirs: theirs.get(name) }),
    ),
  );
  const merged = entries.filter((entry) => entry !== undefined);
  if (walk.contested.length > 0 || merged.length === 0) return null;
  const content = encodeTree(merged);
  const objectId = hashObject(repository.objectFormat, "tree", content);
  walk.merged.set(objectId, content);
  return objectId;
}

/**
 * Merges trees by whole entries, without looking into files: exact and fast when the two sides changed different paths.
 * Where it answers `clean` its tree is the one `git merge-tree` gives; everything else is `contested`.
 */
export async function mergeTrees(
  repository: Repository,
  triple: TreeTriple,
  options: TreeMergeOptions = {},
): Promise<TreeMerge> {
  if (triple.ours === triple.base) return { state: "clean", tree: triple.theirs };
  if (triple.theirs === triple.base || triple.ours === triple.theirs)
    return { state: "clean", tree: triple.ours };
  const walk: MergeWalk = { repository, directories: [], contested: [], merged: new Map() };
  const tree = await mergeLevel(walk, "", triple);
  if (walk.contested.length > 0) {
    return { state: "contested", directories: walk.directories.sort(), paths: walk.contested.sort() };
  }
  if (options.isDryRun !== true) {
    await Promise.all([...walk.merged.values()].map((content) => repository.writeObject("tree", content)));
  }
  return { state: "clean", tree };
}
