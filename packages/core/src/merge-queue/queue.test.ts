import { expect, test } from "vitest";
import { selectDependenciesOf, selectTasks, selectComments } from "../tasks/select-tasks.ts";
import { buildOutcomes, moveAll, openProjectDriver, stackBuild, testQueuePolicy } from "@canopy/testkit";
import type { ProjectDriver } from "@canopy/testkit";
import type { Json, LeasedJob, QueuePolicy } from "@canopy/protocol";
import { selectQueuePause, selectValidation } from "./change-rows.ts";
import { selectFlakySteps, selectStacks } from "./stack-rows.ts";

const REF = "refs/heads/canopy/main";

function withChanges(titles: readonly string[], options: Record<string, Json> = {}): ProjectDriver {
  const driver = openProjectDriver();
  for (const title of titles) driver.addTask(title);
  driver.startRun({ concurrency: 16, ...options });
  for (const leased of driver.lease()) driver.finish(leased);
  return driver;
}

function states(driver: ProjectDriver): Record<string, string> {
  return Object.fromEntries(
    driver.changes().map((change) => [driver.task(change.taskId).title, change.state]),
  );
}

/** Builds what is asked for, and answers which titles. */
function build(driver: ProjectDriver, policy?: QueuePolicy, conflicts: readonly string[] = []): string[] {
  const [leased] = driver.lease(["build"], 1);
  if (leased?.payload.kind !== "build") return [];
  driver.accept(stackBuild(leased, buildOutcomes(leased.payload, conflicts), policy));
  return leased.payload.items.map((item) => item.title);
}

/** A stack of all of some changes, built by a policy that validates. The first change lands before. */
function withStack(
  titles: readonly string[],
  policy: Partial<QueuePolicy> = {},
  options: Record<string, Json> = {},
): ProjectDriver {
  const driver = openProjectDriver();
  driver.startRun({ watch: true, concurrency: 16, ...options });
  driver.accept({ type: "queue.pause", integrationRef: REF, reason: "" });
  for (const title of titles) driver.addTask(title);
  for (const leased of driver.lease()) driver.finish(leased);
  driver.accept({ type: "queue.resume", integrationRef: REF });
  build(driver, testQueuePolicy({ mode: "strict", validators: 1, ...policy }));
  return driver;
}

function titlesOf(driver: ProjectDriver, leased: LeasedJob): string[] {
  if (leased.payload.kind !== "validate") return [];
  return leased.payload.trial.changeIds.map((changeId) => {
    const change = driver.changes().find((other) => other.changeId === changeId);
    return driver.task(change?.taskId ?? "").title;
  });
}

/** Answers one validation. Returns which titles its candidate holds. */
function validate(driver: ProjectDriver, isRed: (titles: readonly string[]) => boolean): string[] | null {
  const [leased] = driver.lease(["validate"], 1);
  if (leased?.payload.kind !== "validate") return null;
  const titles = titlesOf(driver, leased);
  const { trial } = leased.payload;
  const state = isRed(titles) ? "failed" : "passed";
  const step = { name: "test", state, required: true, exitCode: 1, durationMs: 1, output: "expected 2" };
  driver.accept({
    type: "validation.record",
    jobId: leased.job.jobId,
    fence: leased.job.fence,
    validation: {
      tree: trial.key,
      commandsHash: "commands",
      commit: trial.commit,
      state,
      flaky: false,
      steps: [step],
      durationMs: 1,
    },
  });
  return titles;
}

test("[MQ1] every success is one change, and one landing runs at a time", () => {
  const driver = withChanges(["a", "b", "c"]);
  expect(states(driver)).toEqual({ a: "building", b: "queued", c: "queued" });
  expect(build(driver)).toEqual(["a"]);
  expect(states(driver)).toEqual({ a: "landing", b: "queued", c: "queued" });
  expect(driver.lease(["build"])).toEqual([]);
  moveAll(driver);
  expect(build(driver)).toEqual(["b", "c"]);
  expect(driver.lease(["move"]).length).toBe(1);
  expect(driver.lease(["move"])).toEqual([]);
});

test("[MQ2] a task closes when its change lands, not before", () => {
  const driver = withChanges(["a"]);
  expect(selectTasks(driver.room.sql)[0]).toMatchObject({ status: "in_progress" });
  driver.land();
  expect(selectTasks(driver.room.sql)[0]?.status).toBe("closed");
  expect(driver.changes()[0]).toMatchObject({
    state: "landed",
    landedCommit: expect.stringContaining("landed-chg_"),
    ladder: [{ rung: "three-way", outcome: "worked" }],
  });
});

test("[MQ3] the intent is written before the branch moves; after a crash the same landing is asked for again", () => {
  const driver = withChanges(["a"]);
  build(driver);
  const [first] = driver.lease(["move"]);
  driver.accept({ type: "runner.register", runnerId: "rnr_two", hostId: "host" });
  const [again] = driver.lease(["move"]);
  expect(again?.payload).toEqual(first?.payload);
  expect(again?.job.jobId).not.toBe(first?.job.jobId);
  const { jobId, fence } = again!.job;
  const landingId = again?.payload.kind === "move" ? again.payload.landing.landingId : "";
  const late = {
    type: "landing.finish",
    jobId: first!.job.jobId,
    fence: first!.job.fence,
    landingId,
    landed: false,
  };
  expect(driver.submit(late)).toMatchObject({ code: "job.not-found" });
  driver.accept({ type: "landing.finish", jobId, fence, landingId, landed: true });
  expect(states(driver)).toEqual({ a: "landed" });
  expect(driver.lease(["build", "move"])).toEqual([]);
});

test("[MQ3] a crash while candidates are built starts the build over", () => {
  const driver = withChanges(["a"]);
  driver.lease(["build"]);
  driver.accept({ type: "runner.register", runnerId: "rnr_two", hostId: "host" });
  expect(driver.land().length).toBe(1);
});

test("[MQ4] a move that did not happen has its changes built anew on the branch as it is", () => {
  const driver = withChanges(["a"]);
  build(driver);
  moveAll(driver, false);
  expect(states(driver)).toEqual({ a: "building" });
  expect(driver.land()).toEqual([driver.changes()[0]!.changeId]);
});

test("[MQ4] a branch that somebody moved by hand has every candidate built anew", () => {
  const driver = withStack(["a", "b", "c", "d", "e"]);
  expect(states(driver)["d"]).toBe("testing");
  validate(driver, () => false);
  moveAll(driver);
  const [leased] = driver.lease(["build"]);
  driver.accept({ ...stackBuild(leased!, []), isStale: true });
  expect(selectStacks(driver.room.sql)[0]?.candidates).toEqual([]);
  expect(states(driver)["e"]).toBe("building");
});

test("[MQ5] a conflict is kept with its files and a person is asked; the rest lands", () => {
  const driver = withChanges(["good", "bad", "fine"]);
  driver.land(["bad"]);
  expect(states(driver)).toEqual({ good: "landed", bad: "conflicted", fine: "landed" });
  const change = driver.changes().find((other) => other.state === "conflicted");
  expect(change?.conflicts).toEqual([{ path: "a.txt", kind: "content" }]);
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

test("[MQ6] work that fails for the moment is tried again; a hopeless one blocks with its reason", () => {
  const driver = withChanges(["a"]);
  const fail = (how: string): void => {
    const [leased] = driver.lease(["build"]);
    const { jobId, fence } = leased!.job;
    driver.accept({ type: "job.fail", jobId, fence, reason: "canopy/main is checked out", how });
  };
  fail("retry");
  expect(selectQueuePause(driver.room.sql, REF)).toBe("canopy/main is checked out");
  expect(driver.lease(["build"])).toEqual([]);
  driver.advance(2000);
  fail("hopeless");
  expect(driver.changes()[0]).toMatchObject({ state: "blocked", reason: "canopy/main is checked out" });
  expect(selectTasks(driver.room.sql)[0]?.status).toBe("needs_input");
  driver.accept({ type: "queue.resume", integrationRef: REF });
  expect(driver.land().length).toBe(1);
});

test("[MQ6] a landing that fails for the moment keeps its intent", () => {
  const driver = withChanges(["a"]);
  build(driver);
  const [leased] = driver.lease(["move"]);
  driver.accept({
    type: "job.fail",
    jobId: leased!.job.jobId,
    fence: leased!.job.fence,
    reason: "disk",
    how: "retry",
  });
  expect(driver.lease(["move"])).toEqual([]);
  driver.advance(2000);
  expect(moveAll(driver).length).toBe(1);
});

test("[MQ7] a requeued change lands like a new one; an abandoned one never does", () => {
  const driver = withChanges(["a", "b"]);
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

test("[MQ7] a change that is paused or ejected leaves its stack, and what stood on it is built anew", () => {
  for (const type of ["change.pause", "change.eject"] as const) {
    const driver = withStack(["a", "b", "c", "d"]);
    const b = driver.changes().find((change) => driver.task(change.taskId).title === "b");
    driver.accept({ type, changeId: b!.changeId, reason: "let me look" });
    const state = type === "change.pause" ? "paused" : "ejected";
    expect(states(driver)).toMatchObject({ a: "testing", b: state, c: "building", d: "building" });
    driver.accept({ type: "change.requeue", changeId: b!.changeId });
    expect(states(driver)["b"]).toBe("queued");
  }
});

test("[MQ7] a paused queue starts nothing until it is resumed", () => {
  const driver = withChanges(["a"]);
  driver.accept({ type: "queue.pause", integrationRef: REF, reason: "release day" });
  build(driver);
  expect(driver.lease(["move", "build"])).toEqual([]);
  driver.accept({ type: "queue.resume", integrationRef: REF });
  expect(moveAll(driver).length).toBe(1);
});

test("[MQ9] the change that breaks the validation is found; earlier ones land, later ones are built without it", () => {
  const driver = withStack(["one", "two", "bad", "late"]);
  const isRed = (titles: readonly string[]): boolean => titles.includes("bad");
  const order = driver.changes().map((change) => driver.task(change.taskId).title);
  const asked: string[][] = [];
  for (let titles = validate(driver, isRed); titles !== null; titles = validate(driver, isRed))
    asked.push(titles);
  // The tip twice, for the first red one is tried once more; then halves; then who is to be blamed once more.
  expect(asked).toEqual([order, order, order.slice(0, 2), order.slice(0, 3), order.slice(0, 3)]);
  expect(states(driver)).toMatchObject({ one: "landing", two: "landing", bad: "failing", late: "queued" });
  expect(driver.changes().find((change) => change.state === "failing")?.reason).toBe(
    "validation step 'test' ended with exit code 1:\nexpected 2",
  );
  moveAll(driver);
  expect(build(driver, testQueuePolicy({ mode: "strict" }))).toEqual(["late"]);
  driver.advance(600_000);
  const [again] = driver.lease();
  const prompt = again?.payload.kind === "attempt" ? again.payload.prompt : "";
  expect(prompt).toContain(
    "its change did not land: validation step 'test' ended with exit code 1:\nexpected 2",
  );
});

test("[MQ9] without retries left the task of a failing change is marked for a person", () => {
  const driver = withStack(["bad"], {}, { maxRetries: 0 });
  const isRed = (titles: readonly string[]): boolean => titles.length > 0;
  for (let titles = validate(driver, isRed); titles !== null; titles = validate(driver, isRed));
  expect(selectTasks(driver.room.sql)[0]).toMatchObject({ status: "open", labels: ["needs-investigation"] });
});

test("[MQ20] a branch that is red itself blames nobody; resuming tries again", () => {
  const driver = withStack(["one", "two"]);
  for (let titles = validate(driver, () => true); titles !== null; titles = validate(driver, () => true));
  expect(states(driver)).toEqual({ one: "blocked", two: "blocked" });
  expect(driver.changes()[0]?.reason).toContain(`${REF} itself is red: validation step 'test'`);
  driver.accept({ type: "queue.resume", integrationRef: REF });
  expect(states(driver)).toMatchObject({ one: "building" });
});

test("[MQ10] a tree is validated once, also over a restart; a red one once more, and what then passes is flaky", () => {
  const driver = withStack(["a"]);
  let tries = 0;
  validate(driver, () => (tries += 1) === 1);
  driver.restart();
  validate(driver, () => false);
  driver.room.replay();
  const key = selectStacks(driver.room.sql)[0]!.candidates[0]!.key;
  expect(selectValidation(driver.room.sql, key, "commands")).toMatchObject({
    state: "passed",
    flaky: true,
    flakySteps: ["test"],
    tries: 2,
  });
  expect(selectFlakySteps(driver.room.sql).map(({ step, count }) => [step, count])).toEqual([["test", 1]]);
  moveAll(driver, false);
  build(driver, testQueuePolicy({ mode: "strict" }));
  // The same tree came again: nothing is validated, it lands.
  expect(driver.lease(["validate"])).toEqual([]);
  expect(moveAll(driver).length).toBe(1);
});

test("[MQ11] red work that lands leniently leaves one follow-up task; a branch as red as before leaves none", () => {
  const driver = withStack(["one", "two"], { mode: "lenient" });
  validate(driver, () => true);
  validate(driver, () => true);
  moveAll(driver);
  const filed = selectTasks(driver.room.sql).filter((task) => task.title.startsWith("Validation failed: "));
  expect(filed.map(({ priority, description }) => [priority, description])).toEqual([
    [1, "validation step 'test' ended with exit code 1:\nexpected 2"],
  ]);
  expect(
    selectDependenciesOf(driver.room.sql, filed[0]!.taskId).map((dependency) => dependency.kind),
  ).toEqual(["discovered-from", "discovered-from"]);
  for (const leased of driver.lease()) driver.finish(leased);
  build(driver, testQueuePolicy({ mode: "lenient" }));
  validate(driver, () => true);
  validate(driver, () => true);
  moveAll(driver);
  expect(selectTasks(driver.room.sql).length).toBe(3);
});

test("[MQ12] a change waits for the change of a task that its own depends on", () => {
  const driver = openProjectDriver();
  driver.startRun({ watch: true });
  driver.accept({ type: "queue.pause", integrationRef: REF, reason: "" });
  driver.addTask("first");
  driver.addTask("second", { priority: 0 });
  for (const leased of driver.lease()) driver.finish(leased);
  driver.accept({ type: "dependency.add", task: "2", on: "1" });
  driver.accept({ type: "queue.resume", integrationRef: REF });
  expect(states(driver)).toEqual({ first: "building", second: "blocked" });
  expect(driver.changes().find((change) => change.state === "blocked")?.reason).toBe("it waits for #1");
  driver.land();
  expect(states(driver)).toEqual({ first: "landed", second: "landed" });
});

test("[MQ12] a person's order counts before any score", () => {
  const driver = openProjectDriver();
  driver.startRun({ watch: true, concurrency: 8 });
  driver.accept({ type: "queue.pause", integrationRef: REF, reason: "" });
  for (const title of ["a", "b", "c", "d"]) driver.addTask(title);
  for (const leased of driver.lease()) driver.finish(leased);
  const idOf = (title: string): string =>
    driver.changes().find((change) => driver.task(change.taskId).title === title)!.changeId;
  driver.accept({ type: "change.reorder", changeId: idOf("d"), to: "first" });
  driver.accept({ type: "change.reorder", changeId: idOf("a"), to: "last" });
  driver.accept({ type: "change.reorder", changeId: idOf("c"), to: { before: idOf("b") } });
  driver.accept({ type: "queue.resume", integrationRef: REF });
  expect(build(driver)).toEqual(["d", "c", "b", "a"]);
});

test("[MQ13] the window grows by what lands and halves when something is red; validations keep to their number", () => {
  const titles = Array.from({ length: 30 }, (_, index) => `t${index}`);
  const driver = withStack(titles, { validators: 2 }, { concurrency: 30 });
  const window = (): number => selectStacks(driver.room.sql)[0]!.window;
  expect([window(), driver.changes().filter((change) => change.state === "testing").length]).toEqual([4, 4]);
  const leased = driver.lease(["validate"]);
  expect(leased.map((item) => titlesOf(driver, item).length)).toEqual([4, 2]);
  expect(driver.lease(["validate"])).toEqual([]);
  driver.accept({ type: "runner.register", runnerId: "rnr_two", hostId: "host" });
  validate(driver, () => false);
  moveAll(driver);
  expect(window()).toBe(8);
  build(driver, testQueuePolicy({ mode: "strict", validators: 2 }));
  for (let at = validate(driver, () => true); at !== null; at = validate(driver, () => true));
  expect(window()).toBe(4);
});

test("[MQ14] changes of scopes that do not meet have lanes of their own; one that meets them all waits", () => {
  const driver = openProjectDriver();
  driver.startRun({ watch: true, concurrency: 8 });
  driver.accept({ type: "queue.pause", integrationRef: REF, reason: "" });
  const finish = (title: string, scopes: readonly string[] | null): void => {
    driver.addTask(title);
    const capture = { ref: "r", commit: `work-${title}`, tree: "t", filesChanged: 1, scopes: scopes as Json };
    driver.finish(driver.lease()[0]!, {
      outcome: "succeeded",
      baseCommit: "base",
      capture,
      failure: null,
      summary: "",
      usage: { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, costUsd: null },
    });
  };
  finish("web 1", ["web"]);
  finish("api", ["api"]);
  finish("all", null);
  finish("web 2", ["web"]);
  driver.accept({ type: "queue.resume", integrationRef: REF });
  expect(states(driver)).toEqual({ "web 1": "building", api: "building", all: "queued", "web 2": "queued" });
  const strict = testQueuePolicy({ mode: "strict", validators: 4 });
  build(driver, strict);
  build(driver, strict);
  expect(selectStacks(driver.room.sql).map(({ lane, candidates }) => [lane, candidates.length])).toEqual([
    ["api", 1],
    ["web", 1],
  ]);
  // The api's is red, and the web's lands all the same.
  for (let at = validate(driver, (titles) => titles.includes("api")); at !== null;)
    at = validate(driver, (titles) => titles.includes("api"));
  moveAll(driver);
  expect(states(driver)).toMatchObject({
    "web 1": "landed",
    api: "failing",
    all: "building",
    "web 2": "queued",
  });
});

test("[MQ15] a change that conflicts only with what has not landed yet waits for it, and others pass", () => {
  const driver = withStack(["a"], {}, { concurrency: 16 });
  driver.addTask("b");
  driver.addTask("c");
  for (const leased of driver.lease()) driver.finish(leased);
  const strict = testQueuePolicy({ mode: "strict", validators: 1 });
  const [first] = driver.lease(["build"]);
  const changeId = first?.payload.kind === "build" ? first.payload.items[0]!.changeId : "";
  driver.accept({ ...stackBuild(first!, [], strict), outcomes: [{ state: "waits", changeId }] });
  expect(states(driver)).toEqual({ a: "testing", b: "queued", c: "building" });
  build(driver, strict);
  expect(driver.lease(["build"])).toEqual([]);
  for (let at = validate(driver, () => false); at !== null; at = validate(driver, () => false));
  moveAll(driver);
  for (let at = validate(driver, () => false); at !== null; at = validate(driver, () => false));
  moveAll(driver);
  expect(states(driver)).toMatchObject({ a: "landed", b: "building" });
});

test("[MQ16] a candidate that would take lines of others away is blocked until a person accepts it", () => {
  const driver = withChanges(["a"]);
  const [leased] = driver.lease(["build"]);
  const { changeId } = driver.changes()[0]!;
  const lost = [{ path: "a.txt", lines: ["return 42"], count: 1 }];
  driver.accept({ ...stackBuild(leased!, []), outcomes: [{ state: "reverting", changeId, lost }] });
  expect(driver.changes()[0]).toMatchObject({
    state: "blocked",
    lostLines: lost,
    reason: "it would take away lines that others added since it began: a.txt (1), for example: return 42",
  });
  driver.accept({ type: "queue.resume", integrationRef: REF });
  expect(states(driver)).toEqual({ a: "blocked" });
  driver.accept({ type: "change.accept-loss", changeId });
  const [again] = driver.lease(["build"]);
  expect(again?.payload.kind === "build" ? again.payload.items[0]?.isLossAccepted : null).toBe(true);
});
