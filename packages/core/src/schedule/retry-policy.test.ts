import { expect, test } from "vitest";
import type { Failure, FailureCause } from "@canopy/protocol";
import { selectFailureCount } from "../runs/run-rows.ts";
import { selectComments, selectTasks } from "../tasks/select-tasks.ts";
import { attemptResult, failedResult, openProjectDriver } from "@canopy/testkit";
import { decideRetry } from "./retry-policy.ts";

function failure(cause: FailureCause, retryAfterMs: number | null = null): Failure {
  return { cause, message: "m", agentError: null, retryAfterMs };
}

test("[RT1] each cause has its own limit, 0 means never, and none means the run's", () => {
  const retries = (cause: FailureCause, failureCount: number, maxRetries: number): boolean =>
    decideRetry({ failure: failure(cause), failureCount, options: { maxRetries, retries: {} }, random: 0.5 })
      .retry;
  expect([retries("crash", 1, 0), retries("crash", 2, 2), retries("crash", 3, 2)]).toEqual([
    false,
    true,
    false,
  ]);
  expect([retries("killed", 1, 9), retries("configuration", 1, 9)]).toEqual([false, false]);
  expect([retries("rate-limit", 20, 0), retries("rate-limit", 21, 9)]).toEqual([true, false]);
  const own = { crash: { limit: 0, delayMs: 0, maxDelayMs: 0 } };
  expect(
    decideRetry({
      failure: failure("crash"),
      failureCount: 1,
      options: { maxRetries: 9, retries: own },
      random: 0,
    }),
  ).toEqual({ retry: false });
});

test("[RT2] pauses double to their maximum, spread by half, and respect Retry-After", () => {
  const delay = (failureCount: number, random: number, retryAfterMs: number | null = null): number => {
    const decision = decideRetry({
      failure: failure("crash", retryAfterMs),
      failureCount,
      options: { maxRetries: 99, retries: {} },
      random,
    });
    return decision.retry ? decision.delayMs : -1;
  };
  expect([1, 2, 3, 4].map((count) => delay(count, 0.5))).toEqual([2000, 4000, 8000, 16_000]);
  expect(delay(40, 0.5)).toBe(120_000);
  expect([delay(1, 0), delay(1, 0.999_999)]).toEqual([1000, 3000]);
  expect(delay(1, 0.5, 33_000)).toBe(33_000);
});

test("[RT3] failure counters survive a restart and are not shared between causes", () => {
  const driver = openProjectDriver();
  const task = driver.addTask("flaky");
  driver.startRun({ maxRetries: 2 });
  for (const cause of ["crash", "rate-limit", "crash"]) {
    driver.finish(driver.lease()[0]!, failedResult(cause));
    driver.restart();
    driver.advance(3_600_000);
  }
  expect(selectFailureCount(driver.room.sql, task.taskId, "crash")).toBe(2);
  expect(selectFailureCount(driver.room.sql, task.taskId, "rate-limit")).toBe(1);
  driver.finish(driver.lease()[0]!, failedResult("crash"));
  driver.advance(3_600_000);
  expect(driver.lease()).toEqual([]);
});

test("[RT4] a task that failed for good is marked, commented and passed over", () => {
  const driver = openProjectDriver();
  const task = driver.addTask("impossible");
  const run = driver.startRun({ maxRetries: 0 });
  driver.finish(driver.lease()[0]!, failedResult("crash"));
  expect(driver.task(task.taskId)).toMatchObject({
    status: "open",
    labels: ["needs-investigation"],
    claim: null,
  });
  expect(selectComments(driver.room.sql, task.taskId).map((comment) => comment.text)).toEqual([
    "FAILED PERMANENTLY: crash: it was crash",
  ]);
  expect(driver.run(run.runId)).toMatchObject({ state: "completed", totals: { failed: 1 } });
  expect(driver.run(driver.startRun().runId).totals.attempts).toBe(0);
});

test("[RT5] an agent that cannot be started stops the run and blames no task", () => {
  const driver = openProjectDriver();
  for (let count = 0; count < 10; count += 1) driver.addTask(`task ${count}`);
  const run = driver.startRun({ concurrency: 2 });
  for (const leased of driver.lease()) driver.finish(leased, failedResult("configuration"));
  expect(driver.run(run.runId)).toMatchObject({ state: "cancelled", totals: { attempts: 2, failed: 2 } });
  expect(selectTasks(driver.room.sql).flatMap((task) => task.labels)).toEqual([]);
});

test("[RT6] an attempt that changed nothing is tried once more, then the task closes", () => {
  const driver = openProjectDriver();
  const task = driver.addTask("already done");
  const run = driver.startRun();
  const unchanged = attemptResult({ outcome: "unchanged", capture: null });
  driver.finish(driver.lease()[0]!, unchanged);
  expect(driver.task(task.taskId).status).toBe("in_progress");
  driver.finish(driver.lease()[0]!, unchanged);
  expect(driver.task(task.taskId)).toMatchObject({ status: "closed" });
  expect(driver.run(run.runId)).toMatchObject({ state: "completed", totals: { unchanged: 1, landed: 0 } });
});

test("[RT7] a task taken in its own tracker is deferred and not marked", () => {
  const driver = openProjectDriver();
  const task = driver.addTask("shared", { externalReference: "bd:x-1" });
  const run = driver.startRun();
  driver.finish(driver.lease()[0]!, failedResult("claimed-elsewhere"));
  expect(driver.task(task.taskId)).toMatchObject({ status: "deferred", labels: [], claim: null });
  expect(driver.run(run.runId).state).toBe("completed");
});
