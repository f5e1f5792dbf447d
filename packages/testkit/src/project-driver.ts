import type {
  Attempt,
  Change,
  Json,
  LeasedJob,
  ProjectCommand,
  ProjectEvent,
  Run,
  Task,
} from "@canopy/protocol";
import { ZERO_USAGE } from "@canopy/protocol";
import { projectRoom, selectAttempt, selectChanges, selectRun, selectTask } from "@canopy/core";
import type { TestRoom } from "./open-test-room.ts";
import { openTestRoom } from "./open-test-room.ts";

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

/** Opens a project room in memory with a registered runner. */
export function openProjectDriver(seed = 1): ProjectDriver {
  const base = openTestRoom(projectRoom, seed);
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

function landAll(driver: ProjectDriver, conflicts: readonly string[]): string[] {
  const landed: string[] = [];
  for (const { job, payload } of driver.lease(["land"])) {
    if (payload.kind !== "land") continue;
    const outcomes = payload.items.map((item) =>
      conflicts.includes(item.title)
        ? {
            changeId: item.changeId,
            state: "conflicted",
            conflicts: [{ path: "a.txt", kind: "content" }],
            message: "content",
          }
        : { changeId: item.changeId, state: "merged", commit: `landed-${item.changeId}` },
    );
    const lease = { jobId: job.jobId, fence: job.fence };
    const intended = driver.accept({
      type: "landing.intend",
      ...lease,
      oldCommit: "old",
      newCommit: "new",
      outcomes,
    });
    if (intended["landingId"] === null) continue;
    driver.accept({ type: "landing.finish", ...lease, landingId: intended["landingId"] ?? "", landed: true });
    landed.push(
      ...payload.items.filter((item) => !conflicts.includes(item.title)).map((item) => item.changeId),
    );
  }
  return landed;
}
