import picomatch from "picomatch";
import { displayPath, encodeTree, hashObject, isTreeEntry } from "./git-object.ts";
import type { TreeEntry } from "./git-object.ts";
import type { Repository } from "./repository.ts";
import { createPathMatcher } from "./scopes.ts";

/** What a list of globs says about directories, before any file is looked at. */
interface DropPlan {
  /** Tells the plan's answers apart in the cache. */
  readonly key: string;
  readonly isDropped: (path: string) => boolean;
  /** False when nothing below a directory (ending in a slash) can match. */
  readonly mayHoldDropped: (directory: string) => boolean;
  /** True when everything below a directory matches. */
  readonly isWhole: (directory: string) => boolean;
}

const MAX_CACHED = 20_000;

/** Restricted trees by plan, directory and tree; null: nothing is left. */
const caches = new WeakMap<Repository, Map<string, string | null>>();

function createPlan(dropGlobs: readonly string[]): DropPlan {
  const globs = [...dropGlobs].sort();
  const bases = globs.map((glob) => {
    const { base, isGlob, negated } = picomatch.scan(glob);
    if (negated) return "";
    return isGlob ? (base === "" ? "" : `${base}/`) : glob;
  });
  const wholes = new Set(
    globs.filter((glob) => /^[^*?[\]{}()!+@\\]+\/\*\*$/.test(glob)).map((glob) => glob.slice(0, -2)),
  );
  return {
    key: JSON.stringify(globs),
    isDropped: createPathMatcher(globs),
    mayHoldDropped: (directory) =>
      bases.some((base) => base.startsWith(directory) || directory.startsWith(base)),
    isWhole: (directory) => wholes.has(directory),
  };
}

function cacheOf(repository: Repository): Map<string, string | null> {
  const cache = caches.get(repository) ?? new Map<string, string | null>();
  caches.set(repository, cache);
  if (cache.size > MAX_CACHED) cache.clear();
  return cache;
}

async function restrictLevel(
  repository: Repository,
  plan: DropPlan,
  directory: string,
  treeId: string,
): Promise<string | null> {
  if (plan.isWhole(directory)) return null;
  if (!plan.mayHoldDropped(directory)) return treeId;
  const cache = cacheOf(repository);
  const key = `${plan.key}\0${directory}\0${treeId}`;
  const known = cache.get(key);
  if (known !== undefined) return known;
  const kept: TreeEntry[] = [];
  for (const entry of (await repository.readTree(treeId)).values()) {
    const path = directory + displayPath(entry.name);
    if (!isTreeEntry(entry)) {
      if (!plan.isDropped(path)) kept.push(entry);
      continue;
    }
    const objectId = await restrictLevel(repository, plan, `${path}/`, entry.objectId);
    if (objectId !== null) kept.push({ ...entry, objectId });
  }
  const content = encodeTree(kept);
  const restricted = kept.length === 0 ? null : hashObject(repository.objectFormat, "tree", content);
  cache.set(key, restricted);
  return restricted;
}

/**
 * The id that a tree has without the paths that match some globs: equal for trees that differ in those only. Nothing is
 * written, so the id is a key for caches and not an object to read. Whole directories (`dir/**`) are dropped unread, and
 * directories in which nothing can match keep their id; what was found is remembered for the repository.
 */
export async function restrictTree(
  repository: Repository,
  tree: string,
  dropGlobs: readonly string[],
): Promise<string> {
  const restricted = await restrictLevel(repository, createPlan(dropGlobs), "", tree);
  return restricted ?? hashObject(repository.objectFormat, "tree", Buffer.alloc(0));
}
