import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { median, roundMs } from "./bench-result.ts";
import type { BenchResult } from "./bench-result.ts";
import { percentileOf } from "./measure.ts";
import { replayMerges } from "./replay-merges.ts";
import type { Replay } from "./replay-merges.ts";

const LISTED = 20;

function share(part: number, whole: number): string {
  return whole === 0 ? "-" : `${part}/${whole} (${((100 * part) / whole).toFixed(1)} %)`;
}

function rowOf(way: string, replay: Replay, tree: "engineTree" | "gitTree"): (string | number)[] {
  const { merges } = replay;
  const times = merges.map((merge) => (tree === "engineTree" ? merge.engineMs : merge.gitMs));
  const clean = merges.filter((merge) => merge[tree] !== null);
  const gitClean = merges.filter((merge) => merge.gitTree !== null);
  return [
    way,
    share(clean.length, merges.length),
    share(clean.filter((merge) => merge[tree] === merge.humanTree).length, clean.length),
    share(gitClean.filter((merge) => merge[tree] === merge.gitTree).length, gitClean.length),
    roundMs(median(times)),
    roundMs(percentileOf(times, 0.95)),
    roundMs(Math.max(0, ...times)),
  ];
}

/**
 * `npm run bench -- replay --repo PATH [--last N]`: replays the last N (400) two-parent merges of a repository through the
 * merge engine, against a `git merge-tree` process each. The repository is only read.
 */
export async function run(args: readonly string[]): Promise<BenchResult> {
  const { values } = parseArgs({
    args: [...args],
    options: { repo: { type: "string" }, last: { type: "string", default: "400" } },
  });
  const last = Number(values.last);
  if (values.repo === undefined || !Number.isInteger(last) || last < 1) {
    throw new Error("bench: replay needs --repo PATH, and --last is a number from 1");
  }
  const path = resolve(process.env["INIT_CWD"] ?? process.cwd(), values.repo);
  const replay = await replayMerges(path, last);
  const { differences } = replay;
  const found = differences.length === 0 ? "none" : differences.slice(0, LISTED).join(" ");
  return {
    name: "replay",
    columns: [
      "way",
      "clean",
      "clean = human's tree",
      "= git's tree where git is clean",
      "median ms",
      "p95 ms",
      "max ms",
    ],
    rows: [
      rowOf("canopy's engine", replay, "engineTree"),
      rowOf("git merge-tree, one process a merge", replay, "gitTree"),
    ],
    notes: [
      `${replay.merges.length} merges of ${path}, the newest first; the two ways take turns in going first.`,
      `Merges where the engine and git differ (${differences.length}): ${found}`,
    ],
  };
}
