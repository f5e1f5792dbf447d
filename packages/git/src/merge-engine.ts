import { mergeCommits } from "./merge-commits.ts";
import type { MergeRequest } from "./merge-commits.ts";
import type { MergeResult } from "./merge-result.ts";
import { probeOverlap } from "./probe-overlap.ts";
import type { Overlap, ProbeRequest } from "./probe-overlap.ts";
import type { Repository } from "./repository.ts";
import type { Stack, StackedChange, StackedResult } from "./stack-result.ts";
import { writeLanding } from "./write-landing.ts";

/** Merges in the object database: no working tree, index or ref is read or written. */
export interface MergeEngine {
  /** Merges a change into a tip. Throws `cancelled` or `git.failed`; a conflict is an answer. */
  mergeCommit(request: MergeRequest): Promise<MergeResult>;
  /**
   * Puts changes on a tip in order, each by its strategy with the tip before it as its parent. A change that conflicts or
   * is empty is left out and reported, and the next is tried without it.
   */
  buildStack(tip: string, changes: readonly StackedChange[], signal?: AbortSignal): Promise<Stack>;
  /** Says whether two commits would merge, and writes nothing to the repository. Throws `cancelled` or `git.failed`. */
  probeOverlap(request: ProbeRequest): Promise<Overlap>;
}

async function stackOne(
  repository: Repository,
  tip: string,
  stacked: StackedChange,
  signal: AbortSignal | undefined,
): Promise<StackedResult> {
  const { change } = stacked;
  const request = { tip, change, ...(signal === undefined ? {} : { signal }) };
  const { result, evidence } = await mergeCommits(repository, request);
  if (result.state === "conflicted") return { ...result, change };
  const { tree } = result;
  if (tree === (await repository.readCommit(tip)).tree) return { state: "empty", change };
  const landing = await writeLanding(repository, { tip, tree, stacked, signal });
  const commit = landing.commits.at(-1) ?? landing.commits[0];
  return { state: "clean", change, commit, tree, ...landing, evidence };
}

/**
 * Opens the merge engine of a repository. Changes of different paths are merged in this process, tree by tree, with the
 * result that `git merge-tree` would give; all others by `git merge-tree` (git 2.38 or later). Nothing to dispose: the
 * repository owns the reader that both use.
 */
export function openMergeEngine(repository: Repository): MergeEngine {
  return {
    mergeCommit: async (request) => (await mergeCommits(repository, request)).result,
    probeOverlap: (request) => probeOverlap(repository, request),
    async buildStack(tip, changes, signal): Promise<Stack> {
      const results: StackedResult[] = [];
      let top = tip;
      for (const change of changes) {
        const result = await stackOne(repository, top, change, signal);
        results.push(result);
        if (result.state === "clean") top = result.commit;
      }
      return { tip: top, results };
    },
  };
}
