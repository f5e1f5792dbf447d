import { execFile } from "node:child_process";
import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { BuildOutcome, Change, Json, LeasedJob } from "@canopy/protocol";
import { projectRoomAddress, selectChanges } from "@canopy/core";
import type { RoomHandle } from "@canopy/core";
import { openMergeEngine, openRepository, readRepositoryIdentity } from "@canopy/git";
import type { Repository } from "@canopy/git";
import { TEST_PERSON, TEST_RUNNER, attemptResult, openTestHost, stackBuild } from "@canopy/testkit";
import type { QueueProject } from "../change-merge.ts";

const execute = promisify(execFile);
const ENVIRONMENT = {
  PATH: process.env["PATH"] ?? "/usr/bin:/bin",
  HOME: "/nonexistent",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
};

type Files = Readonly<Record<string, string | null>>;

/** A repository whose branch `canopy/main` has moved on, and a change that conflicts with it. For tests. */
export interface StuckProject extends QueueProject, AsyncDisposable {
  readonly change: Change;
  git(...args: readonly string[]): Promise<string>;
  /** Commits files (null: deleted) on a commit; answers the new one. */
  commitOn(parent: string, files: Files, message: string): Promise<string>;
  /** The change as the room has it now. */
  current(): Change;
}

/** What a stuck project is made of: the files at first, as the branch has them now, and as the change left them. */
export interface StuckFiles {
  readonly base: Files;
  readonly ours: Files;
  readonly theirs: Files;
}

function gitIn(folder: string): StuckProject["git"] {
  return async (...args) =>
    (await execute("git", ["-C", folder, ...args], { env: ENVIRONMENT })).stdout.replace(/\n$/, "");
}

function readOnlyChange(room: RoomHandle): Change {
  const [change] = room.read((sql) => selectChanges(sql));
  if (change === undefined) throw new Error("no change");
  return change;
}

async function writeAll(folder: string, files: Files): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    const target = join(folder, path);
    await mkdir(dirname(target), { recursive: true });
    if (content === null) await rm(target);
    else await writeFile(target, content);
  }
}

function submitter(room: RoomHandle): (command: Readonly<Record<string, Json>>) => Record<string, Json> {
  let count = 0;
  return (command) => {
    count += 1;
    const answer = room.submit({ key: `test-${count}`, actor: TEST_PERSON, command });
    if (answer.type === "rejection") throw new Error(answer.message);
    return parseResult(answer.result);
  };
}

function parseResult(value: Json): Record<string, Json> {
  return value as Record<string, Json>;
}

function parseJobs(value: Json | undefined): LeasedJob[] {
  return value as unknown as LeasedJob[];
}

async function buildConflict(repository: Repository, tip: string, change: Change): Promise<BuildOutcome> {
  const merge = await openMergeEngine(repository).mergeCommit({ tip, change: change.commit });
  if (merge.state === "clean") throw new Error("the change of the test merges");
  const conflicts = merge.files.map(({ path, kind }) => ({ path, kind }));
  const { changeId } = change;
  return { state: "conflicted", changeId, conflicts, message: "conflict", canRegenerate: false };
}

/** Opens a project with one change that waits for a person because it conflicts. */
export async function openStuckProject(files: StuckFiles): Promise<StuckProject> {
  const root = await realpath(await mkdtemp(join(tmpdir(), "canopy-stuck-")));
  const git = gitIn(root);
  await git("init", "-q", "-b", "main");
  await git("config", "user.name", "Ada");
  await git("config", "user.email", "ada@example.org");
  const commitAll = async (message: string): Promise<string> => {
    await git("add", "-A");
    await git("commit", "-q", "--allow-empty", "-m", message);
    return await git("rev-parse", "HEAD");
  };
  const commitOn: StuckProject["commitOn"] = async (parent, changed, message) => {
    await git("checkout", "-q", "--detach", parent);
    await writeAll(root, changed);
    const commit = await commitAll(message);
    await git("checkout", "-q", "main");
    return commit;
  };
  await writeAll(root, files.base);
  const base = await commitAll("Start");
  const tip = await commitOn(base, files.ours, "What landed");
  await git("update-ref", "refs/heads/canopy/main", tip);
  const work = await commitOn(base, files.theirs, "Paint it red\n\nTask: tsk_x");
  const repository = openRepository(await readRepositoryIdentity(root));
  const host = openTestHost();
  const room = host.room(projectRoomAddress(host.addProject("web").projectId));
  if (room === undefined) throw new Error("no room");
  const current = (): Change => readOnlyChange(room);
  const submit = submitter(room);
  const lease = (kind: string): LeasedJob => {
    const result = submit({ type: "job.lease", runnerId: TEST_RUNNER, kinds: [kind], limit: 1 });
    const [job] = parseJobs(result["jobs"]);
    if (job === undefined) throw new Error(`no ${kind} job`);
    return job;
  };
  submit({ type: "runner.register", runnerId: TEST_RUNNER, hostId: "host" });
  submit({ type: "task.create", task: { title: "Paint it", description: "in red" } });
  submit({ type: "run.start", options: { baseBranch: "main", agent: "scripted" } });
  const { job, payload } = lease("attempt");
  if (payload.kind !== "attempt") throw new Error("no attempt");
  const ref = `refs/canopy/attempts/${payload.attemptId}`;
  await git("update-ref", ref, work);
  const capture = { ref, commit: work, tree: "tree", filesChanged: 1 };
  const result = attemptResult({ baseCommit: base, capture });
  submit({ type: "attempt.finish", jobId: job.jobId, fence: job.fence, result });
  submit(stackBuild(lease("build"), [await buildConflict(repository, tip, current())]));
  return {
    room,
    repository,
    change: current(),
    git,
    commitOn,
    current,
    [Symbol.asyncDispose]: async () => {
      await repository[Symbol.asyncDispose]();
      host[Symbol.dispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
}
