import type { MergeResult } from "./merge-result.ts";
import type { CommitInput } from "./write-commit.ts";

/**
 * How a change lands: `squash` as one commit; `keep` as the agent's own commits, rebased; `merge` as a commit with two
 * parents, the tip and the change.
 */
export type Strategy = "squash" | "keep" | "merge";

/** A change to put on a stack: its commit, and what the commit it lands as says. */
export interface StackedChange extends Omit<CommitInput, "tree" | "parents"> {
  readonly change: string;
  /** Default `squash`. */
  readonly strategy?: Strategy;
  /** The agent's own commits, oldest first, for `keep`: see `readAgentCommits`. */
  readonly commits?: readonly string[];
}

/** How a clean merge came about. */
export interface MergeEvidence {
  /**
   * `identical`: one side as it is holds all of the result; `driver`: a merge driver of the person's took part; else
   * `three-way`.
   */
  readonly rung: "identical" | "three-way" | "driver";
  /** Names of the merge drivers that took part, sorted. */
  readonly drivers: readonly string[];
  /** What both sides had changed differently, sorted; not told when the two have several merge bases. */
  readonly contestedPaths: readonly string[];
}

/**
 * What became of one change of a stack. `clean`: `commit` is the last of `commits`, and `note` says why `strategyUsed` is
 * not what was asked for. `empty`: the tip has it already, so there is nothing to land.
 */
export type StackedResult =
  | {
      readonly state: "clean";
      readonly change: string;
      readonly commit: string;
      readonly commits: readonly string[];
      readonly tree: string;
      readonly strategyUsed: Strategy;
      readonly note: string | null;
      readonly evidence: MergeEvidence;
    }
  | { readonly state: "empty"; readonly change: string }
  | (Extract<MergeResult, { state: "conflicted" }> & { readonly change: string });

/** A stack of changes on a tip. `tip` is the last commit: what the target ref would move to. */
export interface Stack {
  readonly tip: string;
  readonly results: readonly StackedResult[];
}
