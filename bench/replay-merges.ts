import { execFile } from "node:child_process";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createGitEnvironment, openMergeEngine, openRepository } from "@canopy/git";
import type { MergeEngine, Repository } from "@canopy/git";
import { timeMs } from "./bench-result.ts";

const execute = promisify(execFile);

/** One merge of a repository's history. */
interface HistoricMerge {
  readonly commit: string;
  readonly tip: string;
  readonly change: string;
}

/** What the engine and git made of one merge. A tree is null when there was a conflict. */
export interface ReplayedMerge {
  readonly commit: string;
  readonly humanTree: string;
  readonly engineTree: string | null;
  readonly gitTree: string | null;
  readonly engineMs: number;
  readonly gitMs: number;
}

/** A replay of the last two-parent merges of a repository, the newest first. */
export interface Replay {
  readonly merges: readonly ReplayedMerge[];
  /** Commits whose merge the engine gave otherwise than git did. */
  readonly differences: readonly string[];
}

async function runGit(cwd: string, args: readonly string[]): Promise<string> {
  const output = await execute("git", [...args], { cwd, env: createGitEnvironment(), maxBuffer: 1 << 30 });
  return output.stdout.trim();
}

async function listMerges(path: string, last: number): Promise<HistoricMerge[]> {
  const limits = ["--min-parents=2", "--max-parents=2", `--max-count=${last}`];
  const list = await runGit(path, ["rev-list", "--parents", ...limits, "HEAD"]);
  return list
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const [commit = "", tip = "", change = ""] = line.split(" ");
      return { commit, tip, change };
    });
}

/** An empty repository that reads its objects from another, so that nothing is ever written to that one. */
async function openScratchOf(path: string, root: string): Promise<Repository> {
  const [objects = "", shallow = "", format = "sha1"] = (
    await runGit(path, [
      "rev-parse",
      "--path-format=absolute",
      "--git-path",
      "objects",
      "--git-path",
      "shallow",
      "--show-object-format",
    ])
  ).split("\n");
  const objectFormat = format === "sha256" ? "sha256" : "sha1";
  await runGit(root, ["init", "-q", "--bare", `--object-format=${objectFormat}`, root]);
  await writeFile(join(root, "objects", "info", "alternates"), `${objects}\n`);
  await copyFile(shallow, join(root, "shallow")).catch(() => undefined);
  return openRepository({ commonDir: root, objectFormat });
}

async function mergeByEngine(engine: MergeEngine, { tip, change }: HistoricMerge): Promise<string | null> {
  const result = await engine.mergeCommit({ tip, change });
  return result.state === "clean" ? result.tree : null;
}

/** The obvious alternative: a `git merge-tree` for each merge. */
async function mergeByGit(repository: Repository, { tip, change }: HistoricMerge): Promise<string | null> {
  const output = await repository.git(
    ["merge-tree", "--write-tree", "-z", "--messages", "--allow-unrelated-histories", tip, change],
    { acceptExitCodes: [0, 1] },
  );
  return output.exitCode === 0 ? (output.stdout.toString("utf8").split("\0")[0] ?? "") : null;
}

async function replayOne(
  repository: Repository,
  merge: HistoricMerge,
  isEngineFirst: boolean,
): Promise<ReplayedMerge> {
  const engine = openMergeEngine(repository);
  let [engineTree, gitTree]: (string | null)[] = [null, null];
  const times = { engine: 0, git: 0 };
  const byEngine = async (): Promise<void> => {
    times.engine = await timeMs(async () => (engineTree = await mergeByEngine(engine, merge)));
  };
  const byGit = async (): Promise<void> => {
    times.git = await timeMs(async () => (gitTree = await mergeByGit(repository, merge)));
  };
  for (const step of isEngineFirst ? [byEngine, byGit] : [byGit, byEngine]) await step();
  const humanTree = (await repository.readCommit(merge.commit)).tree;
  return {
    commit: merge.commit,
    humanTree,
    engineTree: engineTree ?? null,
    gitTree: gitTree ?? null,
    engineMs: times.engine,
    gitMs: times.git,
  };
}

/**
 * Replays the last two-parent merges of the history of HEAD through the merge engine and through `git merge-tree`, whoever
 * goes first taking turns. The repository is only read: objects are written to a temporary one.
 */
export async function replayMerges(path: string, last: number): Promise<Replay> {
  const root = await mkdtemp(join(tmpdir(), "canopy-replay-"));
  try {
    await using repository = await openScratchOf(path, root);
    const merges: ReplayedMerge[] = [];
    for (const [index, merge] of (await listMerges(path, last)).entries()) {
      merges.push(await replayOne(repository, merge, index % 2 === 0));
    }
    const differing = merges.filter((merge) => merge.engineTree !== merge.gitTree);
    return { merges, differences: differing.map((merge) => merge.commit) };
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
