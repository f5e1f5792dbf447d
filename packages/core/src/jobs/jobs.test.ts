import { expect, test } from "vitest";
import { selectAttemptsOfTask } from "../runs/run-rows.ts";
import { TEST_RUNNER, attemptResult, openProjectDriver } from "@canopy/testkit";
import { LEASE_MS, selectJobs } from "./job-feature.ts";

test("[JB1] a result with an old token is refused", () => {
  const driver = openProjectDriver();
  driver.addTask("one");
  driver.startRun();
  const [leased] = driver.lease();
  const { jobId, fence } = leased!.job;
  const stale = { type: "attempt.finish", jobId, fence: fence + 1, result: attemptResult() };
  expect(driver.submit(stale)).toMatchObject({ code: "job.stale-token" });
  driver.finish(leased!);
  expect(driver.submit({ ...stale, fence })).toMatchObject({ code: "job.not-found" });
  expect(driver.changes().length).toBe(1);
});

test("[JB2] a lease is renewed while its runner lives, and lost when it does not", () => {
  const driver = openProjectDriver();
  const task = driver.addTask("one");
  driver.startRun();
  driver.lease();
  driver.advance(LEASE_MS - 1000);
  driver.room.touchPresence(TEST_RUNNER, driver.nowMs);
  driver.advance(2000);
  expect(selectJobs(driver.room.sql, "leased").length).toBe(1);
  driver.advance(3 * LEASE_MS);
  expect(selectJobs(driver.room.sql, "leased")).toEqual([]);
  expect(selectAttemptsOfTask(driver.room.sql, task.taskId).map((attempt) => attempt.state)).toEqual([
    "interrupted",
    "queued",
  ]);
});

test("[JB3] a runner's successor ends its attempts as interrupted, keeps what they captured, and they are retried", () => {
  const driver = openProjectDriver();
  const task = driver.addTask("one");
  driver.startRun({ maxRetries: 0 });
  const [leased] = driver.lease();
  const { attemptId } = selectAttemptsOfTask(driver.room.sql, task.taskId)[0]!;
  driver.accept({
    type: "attempt.start",
    jobId: leased!.job.jobId,
    fence: 1,
    baseCommit: "b",
    workspaceBackend: "copy",
  });
  const capture = { ref: "refs/canopy/attempts/x", commit: "half", tree: "t", filesChanged: 2 };
  driver.accept({ type: "attempt.recover", attemptId, baseCommit: "b", capture });
  expect(driver.accept({ type: "runner.register", runnerId: "rnr_two", hostId: "host" })).toEqual({
    lostCount: 1,
  });
  expect(
    selectAttemptsOfTask(driver.room.sql, task.taskId).map(({ state, capture: kept }) => [
      state,
      kept?.commit,
    ]),
  ).toEqual([
    ["interrupted", "half"],
    ["queued", undefined],
  ]);
  expect(
    driver.submit({ type: "attempt.finish", jobId: leased!.job.jobId, fence: 1, result: attemptResult() }),
  ).toMatchObject({
    type: "rejection",
  });
});
