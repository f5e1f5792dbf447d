import type {
  Attempt,
  BuildJob,
  BuildOutcome,
  Candidate,
  Change,
  ChangeId,
  Json,
  LeasedJob,
  ProjectCommand,
  ProjectEvent,
  QueuePolicy,
  Run,
  Task,
} from "@canopy/protocol";
import { ZERO_USAGE } from "@canopy/protocol";
import { projectRoom, selectAttempt, selectChanges, selectRun, selectTask } from "@canopy/core";
import type { TestRoom } from "./open-test-room.ts";
import { openTestRoom } from "./open-test-room.ts";
import { testQueuePolicy } from "./test-queue-policy.ts";

/** A project room with short-hands for what people and runners do to it. */
export interface ProjectDriver extends TestRoom<ProjectCommand, ProjectEvent> {
  addTask(title: string, fields?: Record<string, Json>): Task;
  task(taskId: string): Task;
  startRun(options?: Record<string, Json>): Run;
  run(runId: string): Run;
  attempt(attemptId: string): Attempt;
  changes(): Change[];
  /** Leases everything of some kinds for the current runner. */
  lease(kinds?: readonly string[], limit?: number): LeasedJob[];
  /** Finishes a leased attempt: `succeeded` with a capture, or as told. */
  finish(leased: LeasedJob, result?: Record<string, Json>): void;
  /** Lands what is queued: every change merges unless its task's title is in `conflicts`. Returns landed change ids. */
  land(conflicts?: readonly string[]): string[];
}

/** Id of the runner in tests. */
export const TEST_RUNNER = "rnr_one";

/** A finished attempt's result with defaults. */
export function attemptResult(overrides: Record<string, Json> = {}): Record<string, Json> {
  return {
    outcome: "succeeded",
    baseCommit: "base",
    capture: { ref: "refs/canopy/attempts/x", commit: "work", tree: "tree", filesChanged: 1 },
    failure: null,
    summary: "done",
    usage: { ...ZERO_USAGE },
    ...overrides,
  };
}

/** A failed attempt's result. */
export function failedResult(cause: string, retryAfterMs: number | null = null): Record<string, Json> {
  return attemptResult({
    outcome: "failed",
    capture: null,
    failure: { cause, message: `it was ${cause}`, agentError: null, retryAfterMs },
  });
}

function parseJobs(result: Record<string, Json>): LeasedJob[] {
  return (result["jobs"] ?? []) as unknown as LeasedJob[];
}

/** Opens a project room in memory (or takes one that is there) with a registered runner. */
export function openProjectDriver(
  seed = 1,
  base: TestRoom<ProjectCommand, ProjectEvent> = openTestRoom(projectRoom, seed),
): ProjectDriver {
  base.accept({ type: "runner.register", runnerId: TEST_RUNNER, hostId: "host" });
  const need = <T>(value: T | undefined, what: string): T => {
    if (value === undefined) throw new Error(`no ${what}`);
    return value;
  };
  const driver: ProjectDriver = Object.defineProperties(Object.create(base), {}) as ProjectDriver;
  return Object.assign(driver, {
    addTask: (title: string, fields: Record<string, Json> = {}): Task =>
      base.accept({ type: "task.create", task: { title, ...fields } })["task"] as unknown as Task,
    task: (taskId: string): Task => need(selectTask(base.room.sql, taskId), taskId),
    startRun: (options: Record<string, Json> = {}): Run =>
      base.accept({ type: "run.start", options: { baseBranch: "main", agent: "scripted", ...options } })[
        "run"
      ] as unknown as Run,
    run: (runId: string): Run => need(selectRun(base.room.sql, runId), runId),
    attempt: (attemptId: string): Attempt => need(selectAttempt(base.room.sql, attemptId), attemptId),
    changes: (): Change[] => selectChanges(base.room.sql),
    lease: (kinds: readonly string[] = ["attempt"], limit = 100): LeasedJob[] =>
      parseJobs(base.accept({ type: "job.lease", runnerId: TEST_RUNNER, kinds: [...kinds], limit })),
    finish: (leased: LeasedJob, result: Record<string, Json> = attemptResult()): void => {
      const { jobId, fence } = leased.job;
      base.accept({ type: "attempt.finish", jobId, fence, result });
    },
    land: (conflicts: readonly string[] = []): string[] => landAll(driver, conflicts),
  });
}

function builtCandidate(changeId: ChangeId): Candidate {
  const commit = `landed-${changeId}`;
  const tree = `tree-${changeId}`;
  return { changeId, commit, tree, key: tree, isEmpty: false, rung: "three-way", detail: "", paths: [] };
}

/** Answers a build job: every change merges but those whose task's title is in `conflicts`. */
export function buildOutcomes(job: BuildJob, conflicts: readonly string[] = []): BuildOutcome[] {
  return job.items.map(({ changeId, title }): BuildOutcome =>
    conflicts.includes(title)
      ? {
          state: "conflicted",
          changeId,
          conflicts: [{ path: "a.txt", kind: "content" }],
          message: "content",
          canRegenerate: false,
        }
      : { state: "built", candidate: builtCandidate(changeId) },
  );
}

/** What a runner reports of a build job whose branch is at `tip`. */
export function stackBuild(
  leased: LeasedJob,
  outcomes: readonly BuildOutcome[],
  policy: QueuePolicy = testQueuePolicy(),
): Record<string, Json> {
  const { job, payload } = leased;
  if (payload.kind !== "build") throw new Error(`a ${payload.kind} job builds nothing`);
  const tip = payload.tip ?? "tip";
  return {
    type: "stack.build",
    jobId: job.jobId,
    fence: job.fence,
    onto: payload.onto,
    isStale: false,
    refCommit: tip,
    tip,
    tipTree: `tree-${tip}`,
    tipKey: `tree-${tip}`,
    policy,
    outcomes: [...outcomes],
  };
}

/** Moves the branch for every landing that was intended. Returns the landed change ids. */
export function moveAll(driver: ProjectDriver, landed = true): string[] {
  const moved: string[] = [];
  for (const { job, payload } of driver.lease(["move"])) {
    if (payload.kind !== "move") continue;
    const { landingId, items } = payload.landing;
    driver.accept({ type: "landing.finish", jobId: job.jobId, fence: job.fence, landingId, landed });
    if (landed) moved.push(...items.map((item) => item.changeId));
  }
  return moved;
}

function landAll(driver: ProjectDriver, conflicts: readonly string[]): string[] {
  const landed: string[] = [];
  for (let jobs = driver.lease(["build"]); jobs.length > 0; jobs = driver.lease(["build"])) {
    for (const leased of jobs) {
      if (leased.payload.kind === "build")
        driver.accept(stackBuild(leased, buildOutcomes(leased.payload, conflicts)));
    }
    landed.push(...moveAll(driver));
  }
  return landed;
}
