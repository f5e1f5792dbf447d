import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import {
  advanceCheckout,
  createGitEnvironment,
  describeMonitor,
  materializeCommit,
  openRepository,
  primeCheckout,
  readRepositoryIdentity,
} from "@canopy/git";
import type { Repository } from "@canopy/git";
import { openWorkspaceStore } from "@canopy/workspace";
import type { CheckoutSource, Workspace, WorkspaceStore } from "@canopy/workspace";
import { median, roundMs, timeMs } from "./bench-result.ts";
import type { BenchResult } from "./bench-result.ts";
import { createSampleRepository } from "./sample-repository.ts";
import type { SampleRepository } from "./sample-repository.ts";

const SIZES = [1_000, 20_000, 100_000] as const;
const ROUNDS: Readonly<Record<number, number>> = { 1_000: 7, 20_000: 5, 100_000: 3 };

interface Timing {
  readonly create: number;
  readonly firstStatus: number;
  readonly secondStatus: number;
  readonly remove: number;
}

async function statusIn(workspace: Workspace): Promise<void> {
  const handle = await workspace.spawn(["git", "status", "--porcelain"], { env: workspace.env });
  handle.endInput();
  let output = "";
  for await (const chunk of handle.stdout) output += Buffer.from(chunk).toString("utf8");
  const exit = await handle.exited;
  if (output !== "" || exit.code !== 0) throw new Error(`git status: ${exit.code} ${output.slice(0, 200)}`);
}

function sourceOf(repository: Repository, commit: string): CheckoutSource {
  const env = createGitEnvironment();
  return {
    commit,
    populate: (directory) => materializeCommit(repository, { commit, directory, branch: "main" }),
    advance: (from) => ({ commands: advanceCheckout({ from, to: commit, branch: "main" }), env }),
    prime: { commands: [primeCheckout()], env },
    monitor: describeMonitor(commit),
  };
}

async function measureCanopy(store: WorkspaceStore, source: CheckoutSource, round: number): Promise<Timing> {
  let workspace: Workspace | undefined;
  const create = await timeMs(async () => {
    const project = { projectId: "prj_bench", name: "bench" };
    workspace = await store.createWorkspace({ workspaceId: `bench-${round}`, project, source });
  });
  const made = workspace;
  if (made === undefined) throw new Error("no workspace");
  const firstStatus = await timeMs(() => statusIn(made));
  const secondStatus = await timeMs(() => statusIn(made));
  const remove = await timeMs(() => made.dispose());
  return { create, firstStatus, secondStatus, remove };
}

async function runQuietly(cwd: string, args: readonly string[]): Promise<void> {
  const child = spawn("git", [...args], {
    cwd,
    env: { ...createGitEnvironment(), GIT_OPTIONAL_LOCKS: "1" },
    stdio: ["ignore", "pipe", "ignore"],
  });
  child.stdout.resume();
  await once(child, "close");
}

async function measureWorktree(sample: SampleRepository, round: number): Promise<Timing> {
  const path = join(sample.root, `worktree-${round}`);
  return {
    create: await timeMs(() => runQuietly(sample.workTree, ["worktree", "add", "-q", "--detach", path])),
    firstStatus: await timeMs(() => runQuietly(path, ["status", "--porcelain"])),
    secondStatus: await timeMs(() => runQuietly(path, ["status", "--porcelain"])),
    remove: await timeMs(() => runQuietly(sample.workTree, ["worktree", "remove", "--force", path])),
  };
}

function rowOf(
  size: number,
  way: string,
  timings: readonly Timing[],
): { row: (string | number)[]; total: number } {
  const pick = (name: keyof Timing): number => median(timings.map((timing) => timing[name]));
  const total = median(timings.map((timing) => timing.create + timing.firstStatus + timing.remove));
  const parts = [pick("create"), pick("firstStatus"), pick("secondStatus"), pick("remove")];
  return { row: [size, way, ...parts.map(roundMs), roundMs(total)], total };
}

async function measureSize(size: number, notes: string[]): Promise<(string | number)[][]> {
  await using sample = await createSampleRepository(size);
  await using repository = openRepository(await readRepositoryIdentity(sample.workTree));
  await using store = await openWorkspaceStore({ cacheDirectory: join(sample.root, "cache") });
  const source = sourceOf(repository, sample.commit);
  const base = await measureCanopy(store, source, 0);
  const canopy: Timing[] = [];
  const worktree: Timing[] = [];
  for (let round = 1; round <= (ROUNDS[size] ?? 3); round += 1) {
    canopy.push(await measureCanopy(store, source, round));
    worktree.push(await measureWorktree(sample, round));
  }
  const [own, other] = [
    rowOf(size, `canopy (${store.choice.backend})`, canopy),
    rowOf(size, "git worktree", worktree),
  ];
  notes.push(
    `${size} files: the first workspace of a commit took ${roundMs(base.create)} ms, for the checkout shared by all; ` +
      `create + first status + remove is ${(other.total / own.total).toFixed(1)} times as fast as git worktree.`,
  );
  return [own.row, other.row];
}

/** Create, first and second `git status`, and remove, against `git worktree`, at three sizes in the same run; medians. */
export async function run(): Promise<BenchResult> {
  const notes: string[] = [];
  const rows: (string | number)[][] = [];
  for (const size of SIZES) rows.push(...(await measureSize(size, notes)));
  return {
    name: "workspace",
    columns: [
      "files",
      "way",
      "create",
      "first status",
      "second status",
      "remove",
      "create + first status + remove",
    ],
    rows,
    notes: [
      ...notes,
      "Removing ends processes and mounts and moves the files to a trash that is emptied in the background.",
    ],
  };
}
