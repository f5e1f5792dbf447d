import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { CheckoutSettings } from "./checkout-settings.ts";
import { findChangeBase } from "./find-merge-base.ts";
import { parseMergeTreeOutput } from "./merge-result.ts";
import type { MergeResult } from "./merge-result.ts";
import { mergeTrees } from "./merge-trees.ts";
import type { Repository } from "./repository.ts";
import { runGit } from "./run-git.ts";
import { writeCommit } from "./write-commit.ts";
import type { CommitInput } from "./write-commit.ts";

/** Two commits to merge. */
export interface MergeRequest {
  readonly tip: string;
  readonly change: string;
  readonly signal?: AbortSignal;
}

/** A change to put on a stack: its commit, and what the commit it lands as says. */
export interface StackedChange extends Omit<CommitInput, "tree" | "parents"> {
  readonly change: string;
}

/** What became of one change of a stack. `empty`: the tip has it already, so there is nothing to land. */
export type StackedResult =
  | { readonly state: "clean"; readonly change: string; readonly commit: string; readonly tree: string }
  | { readonly state: "empty"; readonly change: string }
  | (Extract<MergeResult, { state: "conflicted" }> & { readonly change: string });

/** A stack of changes on a tip. `tip` is the last commit: what the target ref would move to. */
export interface Stack {
  readonly tip: string;
  readonly results: readonly StackedResult[];
}

/** Merges in the object database: no working tree, index or ref is read or written. */
export interface MergeEngine {
  /** Merges a change into a tip. Throws `cancelled` or `git.failed`; a conflict is an answer. */
  mergeCommit(request: MergeRequest): Promise<MergeResult>;
  /**
   * Puts changes on a tip in order, each as one commit with the tip before it as its parent. A change that conflicts or is
   * empty is left out and reported, and the next is tried without it.
   */
  buildStack(tip: string, changes: readonly StackedChange[], signal?: AbortSignal): Promise<Stack>;
}

async function emptyTree(repository: Repository): Promise<string> {
  return await repository.writeObject("tree", Buffer.alloc(0));
}

interface FastMerge {
  readonly result: MergeResult | null;
  /** The directories in which both sides changed something. */
  readonly directories: readonly string[];
}

async function tryFastMerge(repository: Repository, { tip, change }: MergeRequest): Promise<FastMerge> {
  const base = await findChangeBase(repository, tip, change);
  const ours = (await repository.readCommit(tip)).tree;
  if (base.state === "contained") return { result: { state: "clean", tree: ours }, directories: [] };
  if (base.state === "unknown") return { result: null, directories: [""] };
  const merged = await mergeTrees(repository, {
    base: (await repository.readCommit(base.base)).tree,
    ours,
    theirs: (await repository.readCommit(change)).tree,
  });
  if (merged.state === "contested") return { result: null, directories: merged.directories };
  return { result: { state: "clean", tree: merged.tree ?? (await emptyTree(repository)) }, directories: [] };
}

/**
 * A folder with the `.gitattributes` files that decide how contested files are merged, for git reads them off a work tree
 * only. Null when there are none.
 */
async function layOutAttributes(
  repository: Repository,
  tip: string,
  directories: readonly string[],
): Promise<string | null> {
  const found: [path: string, content: Buffer][] = [];
  for (const directory of new Set(["", ...directories])) {
    // Names with other bytes than UTF-8 cannot be asked for on a line of text.
    const path = `${Buffer.from(directory, "latin1").toString("utf8")}.gitattributes`;
    const object = await repository.readObject(`${tip}:${path}`);
    if (object?.kind === "blob") found.push([path, object.content]);
  }
  if (found.length === 0) return null;
  const root = await mkdtemp(join(tmpdir(), "canopy-merge-"));
  for (const [path, content] of found) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
  return root;
}

/** The person's merge drivers and rename settings, as options of one call. */
function mergeOptions(settings: CheckoutSettings): string[] {
  return settings.entries
    .filter(([key]) => key.startsWith("merge.") && !key.includes("="))
    .flatMap(([key, value]) => ["-c", `${key}=${value}`]);
}

async function mergeByGit(
  repository: Repository,
  request: MergeRequest,
  directories: readonly string[],
): Promise<MergeResult> {
  const { tip, change, signal } = request;
  const options = mergeOptions(await repository.readSettings());
  const attributes = await layOutAttributes(repository, tip, directories);
  try {
    const output = await runGit({
      args: [
        ...options,
        "merge-tree",
        "--write-tree",
        "-z",
        "--messages",
        "--allow-unrelated-histories",
        tip,
        change,
      ],
      cwd: attributes ?? repository.commonDir,
      gitDir: repository.commonDir,
      ...(attributes === null ? {} : { workTree: attributes }),
      acceptExitCodes: [0, 1],
      signal,
    });
    return parseMergeTreeOutput(output.stdout, output.exitCode === 0);
  } finally {
    if (attributes !== null) await rm(attributes, { recursive: true, force: true });
  }
}

async function mergeCommit(repository: Repository, request: MergeRequest): Promise<MergeResult> {
  const fast = await tryFastMerge(repository, request);
  return fast.result ?? (await mergeByGit(repository, request, fast.directories));
}

async function stackOne(
  repository: Repository,
  tip: string,
  stacked: StackedChange,
  signal: AbortSignal | undefined,
): Promise<StackedResult> {
  const { change, ...message } = stacked;
  const merged = await mergeCommit(repository, { tip, change, ...(signal === undefined ? {} : { signal }) });
  if (merged.state === "conflicted") return { ...merged, change };
  const { tree } = merged;
  if (tree === (await repository.readCommit(tip)).tree) return { state: "empty", change };
  const commit = await writeCommit(repository, { ...message, tree, parents: [tip] });
  return { state: "clean", change, commit, tree };
}

/**
 * Opens the merge engine of a repository. Changes of different paths are merged in this process, tree by tree, with the
 * result that `git merge-tree` would give; all others by `git merge-tree` (git 2.38 or later). Nothing to dispose: the
 * repository owns the reader that both use.
 */
export function openMergeEngine(repository: Repository): MergeEngine {
  return {
    mergeCommit: (request) => mergeCommit(repository, request),
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
