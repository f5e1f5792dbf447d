import { expect, test } from "vitest";
import { selectTasks, selectComments } from "../tasks/select-tasks.ts";
import { openProjectDriver } from "@canopy/testkit";
import type { ProjectDriver } from "@canopy/testkit";
import type { Json } from "@canopy/protocol";
import { selectQueuePause, selectValidation } from "./change-rows.ts";
import { selectDependenciesOf } from "../tasks/select-tasks.ts";

function withChanges(titles: readonly string[], options: Record<string, number> = {}): ProjectDriver {
  const driver = openProjectDriver();
  for (const title of titles) driver.addTask(title);
  driver.startRun({ concurrency: 16, ...options });
  for (const leased of driver.lease()) driver.finish(leased);
  return driver;
}

test("[MQ1] every success is one change, and one landing runs at a time in queue order", () => {
  const driver = withChanges(["a", "b", "c"]);
  expect(driver.changes().map((change) => change.state)).toEqual(["landing", "queued", "queued"]);
  const [first] = driver.lease(["land"]);
  expect(first?.payload.kind === "land" ? first.payload.items.map((item) => item.title) : []).toEqual(["a"]);
  expect(driver.lease(["land"])).toEqual([]);
  const lease = { jobId: first!.job.jobId, fence: first!.job.fence };
  const { changeId } = driver.changes()[0]!;
  const { landingId } = driver.accept({
    type: "landing.intend",
    ...lease,
    oldCommit: "o",
    newCommit: "n",
    outcomes: [{ changeId, state: "merged", commit: "n" }],
  });
  driver.accept({ type: "landing.finish", ...lease, landingId: landingId!, landed: true });
  const [second] = driver.lease(["land"]);
  expect(second?.payload.kind === "land" ? second.payload.items.map((item) => item.title) : []).toEqual([
    "b",
    "c",
  ]);
});

test("[MQ2] a task closes when its change lands, not before", () => {
  const driver = withChanges(["a"]);
  expect(selectTasks(driver.room.sql)[0]).toMatchObject({ status: "in_progress" });
  driver.land();
  expect(selectTasks(driver.room.sql)[0]?.status).toBe("closed");
  expect(driver.changes()[0]).toMatchObject({
    state: "landed",
    landedCommit: expect.stringContaining("landed-chg_"),
  });
});

test("[MQ3] after a crash an intended landing is verified, not repeated", () => {
  const driver = withChanges(["a"]);
  const [leased] = driver.lease(["land"]);
  const { changeId } = driver.changes()[0]!;
  driver.accept({
    type: "landing.intend",
    jobId: leased!.job.jobId,
    fence: leased!.job.fence,
    oldCommit: "o",
    newCommit: "n",
    outcomes: [{ changeId, state: "merged", commit: "n" }],
  });
  driver.accept({ type: "runner.register", runnerId: "rnr_two", hostId: "host" });
  const [verify] = driver.lease(["land", "verify-landing"]);
  expect(verify?.payload).toMatchObject({
    kind: "verify-landing",
    landing: { newCommit: "n", oldCommit: "o" },
  });
  const landingId = verify?.payload.kind === "verify-landing" ? verify.payload.landing.landingId : "";
  driver.accept({
    type: "landing.finish",
    jobId: verify!.job.jobId,
    fence: verify!.job.fence,
    landingId,
    landed: true,
  });
  expect(driver.changes()[0]).toMatchObject({ state: "landed", landedCommit: "n" });
  expect(driver.lease(["land", "verify-landing"])).toEqual([]);
});

test("[MQ3] a crash before the intent starts the landing over", () => {
  const driver = withChanges(["a"]);
  driver.lease(["land"]);
  driver.accept({ type: "runner.register", runnerId: "rnr_two", hostId: "host" });
  expect(driver.land().length).toBe(1);
});

test("[MQ4] a move that did not happen puts its changes back", () => {
  const driver = withChanges(["a"]);
  const [leased] = driver.lease(["land"]);
  const { changeId } = driver.changes()[0]!;
  const lease = { jobId: leased!.job.jobId, fence: leased!.job.fence };
  const { landingId } = driver.accept({
    type: "landing.intend",
    ...lease,
    oldCommit: "o",
    newCommit: "n",
    outcomes: [{ changeId, state: "merged", commit: "n" }],
  });
  driver.accept({ type: "landing.finish", ...lease, landingId: landingId!, landed: false });
  expect(driver.changes()[0]?.state).toBe("landing");
  expect(driver.land()).toEqual([changeId]);
});

test("[MQ5] a conflict is kept with its files and a person is asked; the rest lands", () => {
  const driver = withChanges(["good", "bad", "fine"]);
  driver.land(["bad"]);
  driver.land(["bad"]);
  const states = Object.fromEntries(
    driver.changes().map((change) => [driver.task(change.taskId).title, change]),
  );
  expect(states["good"]?.state).toBe("landed");
  expect(states["fine"]?.state).toBe("landed");
  expect(states["bad"]).toMatchObject({
    state: "conflicted",
    conflicts: [{ path: "a.txt", kind: "content" }],
  });
  const bad = selectTasks(driver.room.sql).find((task) => task.title === "bad");
  expect(bad).toMatchObject({ status: "needs_input", claim: null });
  expect(selectComments(driver.room.sql, bad!.taskId)[0]?.text).toContain("a.txt (content)");
});

test("[MQ5] where the run allows it, a conflicted task is done again on the new base", () => {
  const driver = openProjectDriver();
  driver.addTask("bad");
  const run = driver.startRun({ retries: { conflict: { limit: 1, delayMs: 0, maxDelayMs: 0 } } });
  driver.finish(driver.lease()[0]!);
  driver.land(["bad"]);
  driver.finish(driver.lease()[0]!);
  driver.land();
  expect(driver.changes().map((change) => change.state)).toEqual(["conflicted", "landed"]);
  expect(driver.run(run.runId)).toMatchObject({ state: "completed", totals: { landed: 1, conflicted: 0 } });
});

test("[MQ6] a landing that fails for the moment is tried again; a hopeless one blocks with its reason", () => {
  const driver = withChanges(["a"]);
  const fail = (retry: boolean): void => {
    const [leased] = driver.lease(["land"]);
    const lease = { jobId: leased!.job.jobId, fence: leased!.job.fence };
    driver.accept({ type: "landing.fail", ...lease, reason: "canopy/main is checked out", retry });
  };
  fail(true);
  const { integrationRef } = driver.changes()[0]!;
  expect(selectQueuePause(driver.room.sql, integrationRef)).toBe("canopy/main is checked out");
  expect(driver.lease(["land"])).toEqual([]);
  driver.advance(2000);
  fail(false);
  expect(driver.changes()[0]).toMatchObject({ state: "blocked", reason: "canopy/main is checked out" });
  expect(selectTasks(driver.room.sql)[0]?.status).toBe("needs_input");
});

test("[MQ7] a requeued change lands like a new one; an abandoned one never does", () => {
  const driver = withChanges(["a", "b"]);
  driver.land(["a", "b"]);
  driver.land(["a", "b"]);
  const [first, second] = driver.changes();
  driver.accept({ type: "change.abandon", changeId: second!.changeId, reason: "not wanted" });
  driver.accept({ type: "change.requeue", changeId: first!.changeId });
  driver.land();
  expect(driver.changes().map((change) => change.state)).toEqual(["landed", "abandoned"]);
  expect(driver.submit({ type: "change.requeue", changeId: first!.changeId })).toMatchObject({
    code: "change.wrong-state",
  });
});

function openBatch(
  titles: readonly string[],
  options: Record<string, Json> = {},
): { driver: ProjectDriver; lease: { jobId: string; fence: number }; ids: string[] } {
  const driver = openProjectDriver();
  for (const title of ["first", ...titles]) driver.addTask(title);
  driver.startRun({ concurrency: 16, ...options });
  for (const leased of driver.lease()) driver.finish(leased);
  driver.land();
  const [leased] = driver.lease(["land"]);
  const ids = leased?.payload.kind === "land" ? leased.payload.items.map((item) => item.changeId) : [];
  return { driver, lease: { jobId: leased!.job.jobId, fence: leased!.job.fence }, ids };
}

test("[MQ9] a change that breaks the validation is redone with what it printed; earlier ones land, later ones wait", () => {
  const { driver, lease, ids } = openBatch(["good", "bad", "later"]);
  driver.accept({ type: "landing.test", ...lease });
  expect(driver.changes().map((change) => change.state)).toEqual(["landed", "testing", "testing", "testing"]);
  const outcomes = [
    { changeId: ids[0]!, state: "merged", commit: "c1" },
    { changeId: ids[1]!, state: "failing", message: "step 'test' ended with exit code 1:\nexpected 2" },
  ];
  const { landingId } = driver.accept({
    type: "landing.intend",
    ...lease,
    oldCommit: "o",
    newCommit: "c1",
    outcomes,
  });
  driver.accept({ type: "landing.finish", ...lease, landingId: landingId!, landed: true });
  expect(driver.changes().map((change) => change.state)).toEqual(["landed", "landed", "failing", "landing"]);
  expect(driver.lease()).toEqual([]);
  driver.advance(600_000);
  const [again] = driver.lease();
  const prompt = again?.payload.kind === "attempt" ? again.payload.prompt : "";
  expect(prompt).toContain("its change did not land: step 'test' ended with exit code 1:\nexpected 2");
});

test("[MQ9] without retries left the task of a failing change is marked for a person", () => {
  const { driver, lease, ids } = openBatch(["bad"], { maxRetries: 0 });
  const outcomes = [{ changeId: ids[0]!, state: "failing", message: "red" }];
  const answer = driver.accept({
    type: "landing.intend",
    ...lease,
    oldCommit: "o",
    newCommit: "o",
    outcomes,
  });
  expect(answer).toEqual({ landingId: null });
  expect(selectTasks(driver.room.sql).find((task) => task.title === "bad")).toMatchObject({
    status: "open",
    labels: ["needs-investigation"],
  });
});

test("[MQ10] the validation of a tree by a set of commands is remembered over a restart", () => {
  const { driver, lease } = openBatch(["a"]);
  const validation = {
    tree: "t1",
    commandsHash: "h1",
    commit: "c1",
    state: "passed",
    flaky: true,
    steps: [],
    durationMs: 5,
  };
  driver.accept({ type: "validation.record", ...lease, validation });
  driver.restart();
  driver.room.replay();
  expect(selectValidation(driver.room.sql, "t1", "h1")).toEqual(validation);
  expect(selectValidation(driver.room.sql, "t1", "h2")).toBeUndefined();
});

test("[MQ11] red work that lands leniently leaves one follow-up task", () => {
  const { driver, lease, ids } = openBatch(["one", "two"]);
  const outcomes = ids.map((changeId, index) => ({ changeId, state: "merged", commit: `c${index}` }));
  const followUp = "validation step 'test' ended with exit code 1";
  driver.accept({ type: "landing.intend", ...lease, oldCommit: "o", newCommit: "c1", outcomes, followUp });
  const filed = selectTasks(driver.room.sql).filter((task) => task.title.startsWith("Validation failed: "));
  expect(filed.map(({ priority, description }) => [priority, description])).toEqual([[1, followUp]]);
  expect(
    selectDependenciesOf(driver.room.sql, filed[0]!.taskId).map((dependency) => dependency.kind),
  ).toEqual(["discovered-from", "discovered-from"]);
});

test("[MQ11] a follow-up that lands red files no further one", () => {
  const driver = openProjectDriver();
  driver.addTask("mend it", { labels: ["validation-follow-up"] });
  driver.startRun();
  driver.finish(driver.lease()[0]!);
  const [leased] = driver.lease(["land"]);
  const { changeId } = driver.changes()[0]!;
  const lease = { jobId: leased!.job.jobId, fence: leased!.job.fence };
  const outcomes = [{ changeId, state: "merged", commit: "c" }];
  driver.accept({
    type: "landing.intend",
    ...lease,
    oldCommit: "o",
    newCommit: "c",
    outcomes,
    followUp: "red",
  });
  const [task, ...others] = selectTasks(driver.room.sql);
  expect(others).toEqual([]);
  expect(selectComments(driver.room.sql, task!.taskId).map((comment) => comment.text)).toEqual([
    "It landed, and the validation is still red: red",
  ]);
});
