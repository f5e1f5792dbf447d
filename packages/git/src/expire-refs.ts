import { isCanopyError } from "@canopy/protocol";
import { updateRefs } from "./refs.ts";
import type { Repository } from "./repository.ts";

/** How long refs of a prefix such as `refs/canopy/attempts/` are kept. */
export interface ExpiryRule {
  readonly prefix: string;
  readonly maxAgeMs: number;
}

/** What to expire. */
export interface ExpireRequest {
  readonly nowMs: number;
  /** For a ref of several prefixes the longest one counts. */
  readonly rules: readonly ExpiryRule[];
  /** True for refs that must stay whatever their age. */
  readonly isProtected: (ref: string) => boolean;
  readonly dryRun: boolean;
}

/** A ref that was (or, in a dry run, would be) removed. */
export interface ExpiredRef {
  readonly ref: string;
  readonly commit: string;
  /** Since its commit was made, by the committer's date. */
  readonly ageMs: number;
}

const REFS_PER_TRANSACTION = 500;

async function listDated(
  repository: Repository,
  nowMs: number,
  prefixes: readonly string[],
): Promise<ExpiredRef[]> {
  const format = "--format=%(objectname) %(committerdate:unix) %(refname)";
  const output = await repository.git(["for-each-ref", format, ...prefixes]);
  const found: ExpiredRef[] = [];
  for (const line of output.stdout.toString("utf8").split("\n")) {
    const [commit = "", seconds = "", ref = ""] = line.split(" ");
    // What is no commit has no date, and is left alone.
    if (ref !== "" && seconds !== "") found.push({ ref, commit, ageMs: nowMs - Number(seconds) * 1000 });
  }
  return found;
}

function maxAgeOf(ref: string, rules: readonly ExpiryRule[]): number {
  const matching = rules.filter((rule) => ref.startsWith(rule.prefix));
  const [closest] = matching.sort((left, right) => right.prefix.length - left.prefix.length);
  return closest?.maxAgeMs ?? Number.POSITIVE_INFINITY;
}

/** Removes refs that are where they were seen; one that has moved since is newer work, and stays. */
async function removeRefs(
  repository: Repository,
  refs: readonly ExpiredRef[],
): Promise<readonly ExpiredRef[]> {
  let wanted = refs;
  while (wanted.length > 0) {
    try {
      const updates = wanted.map(({ ref, commit }) => ({ ref, newCommit: null, oldCommit: commit }));
      await updateRefs(repository, updates, "canopy: expired");
      return wanted;
    } catch (error) {
      if (!isCanopyError(error) || error.code !== "git.ref-moved") throw error;
      const { data } = error;
      const moved = typeof data === "object" && data !== null ? Reflect.get(data, "ref") : undefined;
      const rest = wanted.filter(({ ref }) => ref !== moved);
      if (rest.length === wanted.length) throw error;
      wanted = rest;
    }
  }
  return [];
}

/**
 * Removes refs whose commit is older than the rule of their prefix allows, in transactions of 500, and answers them by
 * name. Objects stay until git collects them. Throws what `updateRefs` does, but for refs that moved meanwhile.
 */
export async function expireRefs(repository: Repository, request: ExpireRequest): Promise<ExpiredRef[]> {
  const { nowMs, rules, isProtected, dryRun } = request;
  if (rules.length === 0) return [];
  const dated = await listDated(
    repository,
    nowMs,
    rules.map((rule) => rule.prefix),
  );
  const old = dated.filter(({ ref, ageMs }) => ageMs > maxAgeOf(ref, rules) && !isProtected(ref));
  if (dryRun) return old;
  const removed: ExpiredRef[] = [];
  for (let at = 0; at < old.length; at += REFS_PER_TRANSACTION) {
    removed.push(...(await removeRefs(repository, old.slice(at, at + REFS_PER_TRANSACTION))));
  }
  return removed;
}
