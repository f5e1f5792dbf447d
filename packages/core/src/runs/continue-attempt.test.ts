import type { AttemptJob, Usage } from "@canopy/protocol";
import { ZERO_USAGE } from "@canopy/protocol";
import { attemptResult, failedResult, openProjectDriver } from "@canopy/testkit";
import type { ProjectDriver } from "@canopy/testkit";
import { expect, test } from "vitest";
import { selectSession } from "../sessions/session-feature.ts";

function leaseOne(driver: ProjectDriver): { readonly job: AttemptJob; readonly finish: () => void } {
  const [leased] = driver.lease();
  if (leased?.payload.kind !== "attempt") throw new Error("no attempt to lease");
  return { job: leased.payload, finish: () => driver.finish(leased) };
}

function begin(driver: ProjectDriver): AttemptJob {
  const [leased] = driver.lease();
  if (leased?.payload.kind !== "attempt") throw new Error("no attempt to lease");
  const { jobId, fence } = leased.job;
  driver.accept({ type: "attempt.start", jobId, fence, baseCommit: "base", workspaceBackend: "overlay" });
  return leased.payload;
}

/** The daemon dies, its successor finds the work, and takes over. */
function crash(driver: ProjectDriver, job: AttemptJob, commit: string | null): void {
  if (commit !== null) {
    const capture = { ref: `refs/canopy/attempts/${job.attemptId}`, commit, tree: "t", filesChanged: 1 };
    driver.accept({ type: "attempt.recover", attemptId: job.attemptId, baseCommit: "base", capture });
  }
  driver.accept({ type: "runner.register", runnerId: "rnr_next", hostId: "host" });
  driver.accept({ type: "runner.register", runnerId: "rnr_one", hostId: "host" });
}

test("[RN13] what was cut off goes on in the same session, with what it had done", () => {
  const driver = openProjectDriver();
  driver.addTask("long");
  driver.startRun();
  const first = begin(driver);
  expect(first.continues).toBe(null);
  crash(driver, first, "half");
  const second = begin(driver);
  expect([second.sessionId, second.attemptNumber, second.continues]).toEqual([
    first.sessionId,
    2,
    {
      attemptId: first.attemptId,
      work: { baseCommit: "base", commit: "half" },
      prompt: expect.stringContaining(first.prompt.trim()) as string,
    },
  ]);
  crash(driver, second, null);
  const third = leaseOne(driver);
  expect([third.job.sessionId, third.job.continues?.work]).toEqual([first.sessionId, null]);
  third.finish();
  expect(driver.land().length).toBe(1);
});

test("[RN13] not for another agent, not in another run, and not for one that had not begun", () => {
  const driver = openProjectDriver();
  driver.addTask("long");
  const run = driver.startRun();
  const first = begin(driver);
  crash(driver, first, "half");
  driver.accept({ type: "run.stop", runId: run.runId, mode: "now" });
  const [stopped] = driver.lease();
  expect(stopped).toBe(undefined);
  driver.startRun({ agent: "other" });
  const second = leaseOne(driver);
  expect([second.job.sessionId === first.sessionId, second.job.continues]).toEqual([false, null]);
});

test("[RN15] a session has what all of its attempts have spent", () => {
  const driver = openProjectDriver();
  driver.addTask("long");
  driver.startRun();
  const end = (outcome: "interrupted" | "succeeded", spent: Partial<Usage>): Usage | undefined => {
    const [leased] = driver.lease();
    if (leased?.payload.kind !== "attempt") throw new Error("no attempt to lease");
    const { jobId, fence } = leased.job;
    driver.accept({ type: "attempt.start", jobId, fence, baseCommit: "base", workspaceBackend: "overlay" });
    driver.finish(leased, attemptResult({ outcome, usage: { ...ZERO_USAGE, ...spent } }));
    return selectSession(driver.room.sql, leased.payload.sessionId)?.usage;
  };
  const first = end("interrupted", { inputTokens: 10, outputTokens: 1 });
  expect(first).toEqual({ ...ZERO_USAGE, inputTokens: 10, outputTokens: 1 });
  const both = end("succeeded", { inputTokens: 5, outputTokens: 1, costUsd: 0.5 });
  expect(both).toEqual({ ...ZERO_USAGE, inputTokens: 15, outputTokens: 2, costUsd: 0.5 });
});

test("[RN12] tasks that a session had claimed along with its own are given back at its end", () => {
  const driver = openProjectDriver();
  const own = driver.addTask("own");
  const extra = driver.addTask("extra", { priority: 4 });
  driver.startRun({ concurrency: 1, filter: { taskIds: [own.taskId] } });
  const [leased] = driver.lease();
  if (leased?.payload.kind !== "attempt") throw new Error("no attempt to lease");
  const holder = leased.payload.sessionId;
  driver.accept({ type: "task.claim", task: extra.taskId, holder });
  driver.finish(leased, attemptResult());
  expect([driver.task(extra.taskId).status, driver.task(extra.taskId).claim]).toEqual(["open", null]);
  expect(driver.task(own.taskId).claim?.holder).toBe(leased.payload.attemptId);
});

test("[RT8] a run or day that has spent its budget starts nothing more and blames no task; what cannot be done waits for a person", () => {
  const failWith = (cause: string): unknown => {
    const driver = openProjectDriver();
    const task = driver.addTask("one");
    driver.addTask("two");
    const run = driver.startRun({ concurrency: 1 });
    const [leased] = driver.lease();
    if (leased === undefined) throw new Error("no attempt to lease");
    driver.finish(leased, failedResult(cause));
    return [driver.run(run.runId).state, driver.task(task.taskId).labels, driver.lease().length];
  };
  expect(failWith("run-budget")).toEqual(["cancelled", [], 0]);
  expect(failWith("budget")).toEqual(["running", ["needs-investigation"], 1]);
  expect(failWith("blocked")).toEqual(["running", ["needs-investigation"], 1]);
});
