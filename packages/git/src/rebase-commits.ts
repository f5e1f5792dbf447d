import { isCanopyError } from "@canopy/protocol";
import { diffTrees, readEntry } from "./diff-trees.ts";
import { editTree } from "./edit-tree.ts";
import type { TreeEdit } from "./edit-tree.ts";
import { isTreeEntry } from "./git-object.ts";
import { mergeByGit, writeTriangle } from "./merge-by-git.ts";
import { mergeTrees } from "./merge-trees.ts";
import type { Repository } from "./repository.ts";

/** An agent's commits to put on a tip, one by one. */
export interface RebaseRequest {
  readonly tip: string;
  /** The commit that holds all of the change, with the change's base as its only parent. */
  readonly change: string;
  /** The agent's own commits, oldest first. */
  readonly commits: readonly string[];
  /** The tree that the merge of tip and change has: where the commits have to arrive. */
  readonly tree: string;
  readonly signal?: AbortSignal | undefined;
}

/** One commit to write: its tree, and the agent's commit that it stands for; null for what was left uncommitted. */
export interface RebasedStep {
  readonly tree: string;
  readonly source: string | null;
}

/** The steps from the tip to the tree, none of them empty, or why the commits cannot be kept. */
export type Rebase =
  | { readonly state: "rebased"; readonly steps: readonly RebasedStep[] }
  | { readonly state: "impossible"; readonly note: string };

/**
 * Answers the tree of an agent's commit as capture would have seen it: the change's base, with only those paths as in
 * the commit that the change as a whole touches. What capture leaves out (ignored files, files brought along) stays out.
 */
function createCaptureFilter(
  repository: Repository,
  baseTree: string,
  paths: readonly string[],
): (commit: string | undefined) => Promise<string> {
  const known = new Map<string, Promise<string>>();
  const filter = async (commit: string): Promise<string> => {
    const tree = commit === "" ? null : (await repository.readCommit(commit)).tree;
    const edits: TreeEdit[] = [];
    for (const path of paths) {
      const entry = await readEntry(repository, tree, path);
      edits.push({ path, entry: entry === undefined || isTreeEntry(entry) ? null : entry });
    }
    return await editTree(repository, baseTree, edits);
  };
  return (commit = "") => {
    const found = known.get(commit) ?? filter(commit);
    known.set(commit, found);
    return found;
  };
}

async function mergeStep(
  repository: Repository,
  trees: { readonly base: string; readonly ours: string; readonly theirs: string },
  signal: AbortSignal | undefined,
): Promise<string | null> {
  const fast = await mergeTrees(repository, trees);
  if (fast.state === "clean") return fast.tree ?? (await repository.writeObject("tree", Buffer.alloc(0)));
  const triangle = await writeTriangle(repository, trees);
  const { result } = await mergeByGit(repository, {
    ...triangle,
    tipTree: trees.ours,
    directories: fast.directories,
    signal,
  });
  return result.state === "clean" ? result.tree : null;
}

async function rebase(repository: Repository, request: RebaseRequest): Promise<Rebase> {
  const { tip, change, commits, tree, signal } = request;
  const { tree: changeTree, parents } = await repository.readCommit(change);
  const [base, ...more] = parents;
  if (base === undefined || more.length > 0) {
    return { state: "impossible", note: "the change does not start at one base commit" };
  }
  const baseTree = (await repository.readCommit(base)).tree;
  const paths = (await diffTrees(repository, baseTree, changeTree)).map((difference) => difference.path);
  const filtered = createCaptureFilter(repository, baseTree, paths);
  const steps: RebasedStep[] = [];
  let current = (await repository.readCommit(tip)).tree;
  for (const commit of commits) {
    const [parent] = (await repository.readCommit(commit)).parents;
    const triple = { base: await filtered(parent), ours: current, theirs: await filtered(commit) };
    const merged = await mergeStep(repository, triple, signal);
    if (merged === null) {
      return { state: "impossible", note: `the agent's commit ${commit.slice(0, 12)} conflicts by itself` };
    }
    if (merged !== current) steps.push({ tree: merged, source: commit });
    current = merged;
  }
  if (steps.length === 0) {
    return { state: "impossible", note: "none of the agent's own commits changes what lands" };
  }
  if (current !== tree) steps.push({ tree, source: null });
  return { state: "rebased", steps };
}

/**
 * Puts an agent's commits on a tip in the object database, each by a three-way merge with its own parent as base. The
 * last step always has the tree of the whole merge. Answers `impossible` when a single commit conflicts although the
 * whole merges, or cannot be read.
 */
export async function rebaseCommits(repository: Repository, request: RebaseRequest): Promise<Rebase> {
  try {
    return await rebase(repository, request);
  } catch (error) {
    if (!isCanopyError(error) || error.code !== "git.failed") throw error;
    return { state: "impossible", note: `the agent's commits cannot be rebased: ${error.message}` };
  }
}
