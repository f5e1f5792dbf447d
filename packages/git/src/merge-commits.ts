import { findChangeBase } from "./find-merge-base.ts";
import { displayPath } from "./git-object.ts";
import { mergeByGit } from "./merge-by-git.ts";
import type { MergeResult } from "./merge-result.ts";
import { mergeTrees } from "./merge-trees.ts";
import type { Repository } from "./repository.ts";
import type { MergeEvidence } from "./stack-result.ts";

/** Two commits to merge. */
export interface MergeRequest {
  readonly tip: string;
  readonly change: string;
  readonly signal?: AbortSignal;
}

/** A merge with how it came about. */
export interface CommitMerge {
  readonly result: MergeResult;
  readonly evidence: MergeEvidence;
}

interface FastMerge {
  readonly result: MergeResult | null;
  /** The directories in which both sides changed something. */
  readonly directories: readonly string[];
  readonly contested: readonly string[];
  readonly tipTree: string;
}

async function tryFastMerge(repository: Repository, { tip, change }: MergeRequest): Promise<FastMerge> {
  const base = await findChangeBase(repository, tip, change);
  const ours = (await repository.readCommit(tip)).tree;
  const nothing = { tipTree: ours, directories: [], contested: [] };
  if (base.state === "contained") return { ...nothing, result: { state: "clean", tree: ours } };
  if (base.state === "unknown") return { ...nothing, result: null };
  const merged = await mergeTrees(repository, {
    base: (await repository.readCommit(base.base)).tree,
    ours,
    theirs: (await repository.readCommit(change)).tree,
  });
  if (merged.state === "contested") {
    const contested = merged.paths.map(displayPath).sort();
    return { result: null, tipTree: ours, directories: merged.directories, contested };
  }
  const tree = merged.tree ?? (await repository.writeObject("tree", Buffer.alloc(0)));
  return { ...nothing, result: { state: "clean", tree } };
}

/** Merges a change into a tip and tells how: tree by tree in this process where that decides, else by git. */
export async function mergeCommits(repository: Repository, request: MergeRequest): Promise<CommitMerge> {
  const fast = await tryFastMerge(repository, request);
  const merged =
    fast.result === null
      ? await mergeByGit(repository, { ...request, tipTree: fast.tipTree, directories: fast.directories })
      : { result: fast.result, drivers: [] };
  const sides = await Promise.all([
    repository.readCommit(request.tip),
    repository.readCommit(request.change),
  ]);
  const isOneSide = sides.some(({ tree }) => tree === merged.result.tree);
  const rung = merged.drivers.length > 0 ? "driver" : isOneSide ? "identical" : "three-way";
  return {
    result: merged.result,
    evidence: { rung, drivers: merged.drivers, contestedPaths: fast.contested },
  };
}
