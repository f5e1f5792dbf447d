import { expect, test } from "vitest";
import { selectActiveAttempts, selectAttemptsOfTask } from "./run-rows.ts";
import { explainFilter } from "../schedule/task-filter.ts";
import { scoreTask } from "../schedule/score-task.ts";
import { selectWhyNotRunning } from "../schedule/why-not-running.ts";
import { selectTasks } from "../tasks/select-tasks.ts";
import { TEST_EPOCH_MS, attemptResult, failedResult, openProjectDriver } from "@canopy/testkit";
import type { ProjectDriver } from "@canopy/testkit";

function activeTitles(driver: ProjectDriver): string[] {
  return selectActiveAttempts(driver.room.sql).map((attempt) => driver.task(attempt.taskId).title);
}

function why(driver: ProjectDriver, number: number): string[] {
  const task = selectTasks(driver.room.sql).find((other) => other.number === number);
  return selectWhyNotRunning(driver.room.sql, task!, TEST_EPOCH_MS).map((reason) => reason.code);
}

test("[RN1] a run never has more attempts at once than its concurrency", () => {
  const driver = openProjectDriver();
  for (let count = 0; count < 9; count += 1) driver.addTask(`task ${count}`);
  driver.startRun({ concurrency: 4 });
  expect(selectActiveAttempts(driver.room.sql).length).toBe(4);
  for (const leased of driver.lease()) {
    driver.finish(leased);
    expect(selectActiveAttempts(driver.room.sql).length).toBe(4);
  }
});

test("[RN2] priority goes first, then what much waits for", () => {
  const driver = openProjectDriver();
  driver.addTask("ordinary");
  driver.addTask("root of a chain");
  driver.addTask("middle", { dependencies: [{ on: "2" }] });
  driver.addTask("end", { dependencies: [{ on: "3" }] });
  driver.addTask("urgent", { priority: 0 });
  driver.startRun({ concurrency: 1 });
  const order: string[] = [];
  for (let leased = driver.lease(); leased.length > 0; leased = driver.lease()) {
    order.push(...activeTitles(driver));
    driver.finish(leased[0]!);
    driver.land();
  }
  // The chain's middle waits for the landing of its root, so the slot goes to the ordinary task meanwhile.
  expect(order).toEqual(["urgent", "root of a chain", "ordinary", "middle", "end"]);
});

test("[RN2] a chain of thousands is measured, and its root goes before what nothing waits for", () => {
  const driver = openProjectDriver();
  driver.addTask("alone");
  const tasks = Array.from({ length: 8000 }, (_, index) => ({
    title: `link ${index}`,
    externalReference: `x:${index}`,
    dependencies: index === 0 ? [] : [{ on: `x:${index - 1}` }],
  }));
  driver.accept({ type: "task.import", tasks });
  driver.startRun({ concurrency: 1 });
  expect(activeTitles(driver)).toEqual(["link 0"]);
});

test("[RN2] age outweighs any priority in the end", () => {
  const score = (priority: number, ageMs: number): number =>
    scoreTask({ task: { priority, createdAtMs: 0 }, criticalPath: 0, failureCount: 0, nowMs: ageMs });
  const freshUrgent = scoreTask({
    task: { priority: 0, createdAtMs: 3 * 86_400_000 },
    criticalPath: 50,
    failureCount: 0,
    nowMs: 3 * 86_400_000,
  });
  expect(score(4, 3 * 86_400_000)).toBeGreaterThan(freshUrgent);
  expect(score(4, 60_000)).toBeLessThan(score(3, 60_000));
});

test("[RN3] a filtered task is not taken, and the reason can be asked for", () => {
  const driver = openProjectDriver();
  driver.addTask("low", { priority: 4 });
  driver.addTask("bug", { taskType: "bug" });
  driver.addTask("waits", { labels: ["needs-design"] });
  driver.addTask("epic", { taskType: "epic" });
  driver.addTask("fits");
  const run = driver.startRun({ filter: { maxPriority: 3, types: ["task", "epic"] } });
  expect(activeTitles(driver)).toEqual(["fits"]);
  expect(selectTasks(driver.room.sql).map((task) => explainFilter(task, run.options.filter))).toEqual([
    "its priority 4 is beyond the run's --max-priority 3",
    "its type bug is not among the run's --type task, epic",
    "the run excludes its label needs-design",
    "the run excludes tasks of type epic",
    null,
  ]);
});

test("[RN4] caps by type and label hold over all runs", () => {
  const driver = openProjectDriver();
  for (const title of ["b1", "b2", "b3"]) driver.addTask(title, { taskType: "bug", labels: ["db"] });
  driver.addTask("t1", { labels: ["db"] });
  const caps = { perType: { bug: 1 }, perLabel: { db: 2 } };
  driver.startRun({ concurrency: 4, caps });
  driver.startRun({ concurrency: 4, caps });
  expect(activeTitles(driver).sort()).toEqual(["b1", "t1"]);
  expect(why(driver, 2)).toEqual(["capped", "capped"]);
});

test("[RN5] a slot is free before its change has landed", () => {
  const driver = openProjectDriver();
  driver.addTask("one");
  driver.addTask("two");
  driver.startRun({ concurrency: 1 });
  driver.finish(driver.lease()[0]!);
  expect(driver.changes().map((change) => change.state)).toEqual(["building"]);
  expect(activeTitles(driver)).toEqual(["two"]);
});

test("[RN6] two runs never work on one task at once", () => {
  const driver = openProjectDriver();
  for (let count = 0; count < 6; count += 1) driver.addTask(`task ${count}`);
  driver.startRun({ concurrency: 4 });
  driver.startRun({ concurrency: 4 });
  const titles = activeTitles(driver);
  expect(titles.length).toBe(6);
  expect(new Set(titles).size).toBe(6);
});

test("[RN7] a run waits for landings and retries before it ends; a watching run goes on", () => {
  const driver = openProjectDriver();
  driver.addTask("one");
  const run = driver.startRun();
  const watching = driver.startRun({ watch: true });
  driver.finish(driver.lease()[0]!, failedResult("crash"));
  expect(driver.run(run.runId).state).toBe("running");
  driver.advance(600_000);
  driver.finish(driver.lease()[0]!);
  expect(driver.run(run.runId).state).toBe("running");
  driver.land();
  expect(driver.run(run.runId)).toMatchObject({ state: "completed", totals: { landed: expect.any(Number) } });
  expect(driver.run(watching.runId).state).toBe("running");
  driver.addTask("late");
  expect(activeTitles(driver)).toEqual(["late"]);
});

test("[RN7] a run with nothing to do ends at once", () => {
  const driver = openProjectDriver();
  expect(driver.run(driver.startRun().runId).state).toBe("completed");
});

test("[RN8] draining starts nothing new and lands what is finished", () => {
  const driver = openProjectDriver();
  driver.addTask("running");
  driver.addTask("waiting");
  const run = driver.startRun({ concurrency: 1 });
  const [leased] = driver.lease();
  driver.accept({ type: "run.stop", runId: run.runId, mode: "drain" });
  driver.finish(leased!);
  expect(driver.lease()).toEqual([]);
  expect(driver.run(run.runId).state).toBe("draining");
  driver.land();
  expect(driver.run(run.runId)).toMatchObject({ state: "cancelled", totals: { landed: 1 } });
});

test("[RN8] stopping asks for the end of what runs and gives its tasks back", () => {
  const driver = openProjectDriver();
  driver.addTask("running");
  driver.addTask("queued");
  const run = driver.startRun({ concurrency: 2 });
  const [leased] = driver.lease(["attempt"], 1);
  driver.accept({ type: "run.stop", runId: run.runId, mode: "now" });
  const types = driver.room.eventsAfter(0, 1000).map((event) => event.type);
  expect(types.filter((type) => type === "job.cancel-requested").length).toBe(1);
  driver.finish(leased!, attemptResult({ outcome: "interrupted" }));
  expect(driver.run(run.runId).state).toBe("cancelled");
  expect(selectTasks(driver.room.sql).map((task) => [task.status, task.claim])).toEqual([
    ["open", null],
    ["open", null],
  ]);
  const [attempt] = selectAttemptsOfTask(driver.room.sql, selectTasks(driver.room.sql)[0]!.taskId);
  expect(attempt).toMatchObject({ state: "interrupted", capture: { commit: "work" } });
});

test("[RN9] a kill is no failure: not counted, not retried by this run, taken again by the next", () => {
  const driver = openProjectDriver();
  driver.addTask("victim");
  const run = driver.startRun({ maxRetries: 0 });
  const [leased] = driver.lease();
  driver.accept({ type: "attempt.kill", target: "1" });
  driver.finish(leased!, failedResult("crash"));
  expect(driver.run(run.runId)).toMatchObject({ state: "completed", totals: { killed: 1, failed: 0 } });
  expect(selectTasks(driver.room.sql)[0]).toMatchObject({ status: "open", labels: [] });
  driver.startRun({ maxRetries: 0 });
  expect(activeTitles(driver)).toEqual(["victim"]);
});

test("[RN9] killing what does not run says so", () => {
  const driver = openProjectDriver();
  driver.addTask("idle");
  expect(driver.submit({ type: "attempt.kill", target: "1" })).toMatchObject({ code: "attempt.not-active" });
  expect(driver.submit({ type: "attempt.kill", target: "att_nothing" })).toMatchObject({
    code: "attempt.not-found",
  });
});

test("[RN10] every attempt has its own record", () => {
  const driver = openProjectDriver();
  const task = driver.addTask("twice");
  driver.startRun();
  driver.finish(driver.lease()[0]!, failedResult("crash"));
  driver.advance(600_000);
  driver.finish(driver.lease()[0]!);
  const attempts = selectAttemptsOfTask(driver.room.sql, task.taskId);
  expect(attempts.map(({ number, state, failure }) => [number, state, failure?.cause ?? null])).toEqual([
    [1, "failed", "crash"],
    [2, "succeeded", null],
  ]);
  expect(new Set(attempts.map((attempt) => attempt.attemptId)).size).toBe(2);
  expect(new Set(attempts.map((attempt) => attempt.sessionId)).size).toBe(2);
});

test("[RN11] every open task has an answer to why it is not running", () => {
  const driver = openProjectDriver();
  driver.addTask("first");
  driver.addTask("blocked", { dependencies: [{ on: "1" }] });
  driver.addTask("second in line");
  driver.addTask("deferred");
  driver.addTask("claimed");
  driver.accept({ type: "task.update", task: "4", patch: { status: "deferred" } });
  driver.accept({ type: "task.claim", task: "5", holder: "bob" });
  expect(why(driver, 1)).toEqual(["no-run"]);
  driver.startRun({ concurrency: 1 });
  expect([1, 2, 3, 4, 5].map((number) => why(driver, number))).toEqual([
    ["running"],
    ["blocked"],
    ["no-slot"],
    ["deferred"],
    ["claimed"],
  ]);
  driver.finish(driver.lease()[0]!, failedResult("crash"));
  expect(why(driver, 1)).toEqual(["held"]);
  driver.finish(driver.lease()[0]!);
  expect(why(driver, 3)).toEqual(["landing"]);
});

test("[RN14] a run's model goes with the run's agent", () => {
  const driver = openProjectDriver();
  driver.addTask("the run's");
  driver.addTask("another agent's", { agent: "other" });
  driver.addTask("of its own", { agent: "other", model: "small" });
  driver.startRun({ model: "large", concurrency: 3 });
  const chosen = selectActiveAttempts(driver.room.sql).map(({ agent, model }) => `${agent}: ${model}`);
  expect(chosen.toSorted()).toEqual(["other: null", "other: small", "scripted: large"]);
});

test("[RT9] what an attempt had spent when its runner was lost is in its totals and in its run's", () => {
  const driver = openProjectDriver();
  driver.addTask("dear");
  const run = driver.startRun();
  const [leased] = driver.lease();
  if (leased?.payload.kind !== "attempt") throw new Error("no attempt to lease");
  const { jobId, fence } = leased.job;
  const usage = {
    inputTokens: 200,
    outputTokens: 100,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    costUsd: 0.5,
  };
  driver.accept({ type: "attempt.spend", jobId, fence, usage, steps: 3 });
  driver.accept({ type: "runner.register", runnerId: "rnr_two", hostId: "host" });
  expect(driver.attempt(leased.payload.attemptId)).toMatchObject({ state: "interrupted", usage, steps: 3 });
  expect(driver.run(run.runId).totals).toMatchObject({ attempts: 1, usage, steps: 3 });
  expect(driver.submit({ type: "attempt.spend", jobId, fence, usage, steps: 4 })).toMatchObject({
    type: "rejection",
  });
});
