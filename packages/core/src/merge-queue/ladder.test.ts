import { expect, test } from "vitest";
import {
  attemptResult,
  buildOutcomes,
  failedResult,
  moveAll,
  openProjectDriver,
  stackBuild,
  testBudget,
  testQueuePolicy,
} from "@canopy/testkit";
import type { ProjectDriver } from "@canopy/testkit";
import type { Change, Json, LeasedJob, QueuePolicy } from "@canopy/protocol";
import { selectTasks } from "../tasks/select-tasks.ts";
import { selectOverlaps, selectTrials } from "./stack-rows.ts";

const ONE_EACH = testQueuePolicy({ handBack: testBudget(1), resolver: testBudget(1) });

function change(driver: ProjectDriver): Change {
  return driver.changes()[0]!;
}

function rungs(driver: ProjectDriver): string[] {
  return change(driver).ladder.map((step) => `${step.rung} ${step.outcome}`);
}

/** A run with one change that conflicts. */
function withConflict(policy: QueuePolicy = ONE_EACH, canRegenerate = false): ProjectDriver {
  const driver = openProjectDriver();
  driver.addTask("task");
  driver.startRun({ concurrency: 2 });
  driver.finish(driver.lease()[0]!);
  conflict(driver, policy, canRegenerate);
  return driver;
}

function conflict(driver: ProjectDriver, policy: QueuePolicy = ONE_EACH, canRegenerate = false): void {
  const [leased] = driver.lease(["build"]);
  if (leased?.payload.kind !== "build") throw new Error("nothing is to be built");
  const outcomes = buildOutcomes(leased.payload, ["task"]).map((outcome) =>
    outcome.state === "conflicted" ? { ...outcome, canRegenerate } : outcome,
  );
  driver.accept(stackBuild(leased, outcomes, policy));
}

function leaseRung(driver: ProjectDriver): { readonly rung: string | null; readonly leased: LeasedJob } {
  const [leased] = driver.lease();
  if (leased?.payload.kind !== "attempt") throw new Error("no agent is asked for");
  return { rung: leased.payload.ladder?.rung ?? null, leased };
}

function resolved(commit: string): Record<string, Json> {
  return attemptResult({
    baseCommit: "tip",
    capture: { ref: "r", commit, tree: `tree-${commit}`, filesChanged: 1 },
    usage: { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, costUsd: 0.5 },
  });
}

test("[MQ17] a conflict goes to its own session, then to a resolver, then to a person, with the evidence kept", () => {
  const driver = withConflict();
  const owner = driver.attempt(change(driver).attemptId);
  expect(change(driver)).toMatchObject({ state: "conflicted", work: { rung: "hand-back", tip: "tip" } });
  const first = leaseRung(driver);
  expect([first.rung, first.leased.payload.kind === "attempt" ? first.leased.payload.sessionId : ""]).toEqual(
    ["hand-back", owner.sessionId],
  );
  driver.finish(first.leased, failedResult("conflict"));
  const second = leaseRung(driver);
  expect(second.rung).toBe("resolver");
  if (second.leased.payload.kind === "attempt") {
    expect(second.leased.payload.sessionId).not.toBe(owner.sessionId);
    expect(second.leased.payload.ladder).toMatchObject({
      commit: "work",
      baseCommit: "base",
      tip: "tip",
      tryNumber: 1,
      earlier: ["hand-back: it was conflict"],
    });
  }
  driver.finish(second.leased, attemptResult({ outcome: "unchanged", capture: null }));
  expect(change(driver)).toMatchObject({ state: "conflicted", work: null, conflicts: [{ path: "a.txt" }] });
  expect(rungs(driver)).toEqual(["hand-back failed", "resolver failed"]);
  expect(selectTasks(driver.room.sql)[0]).toMatchObject({ status: "needs_input" });
});

test("[MQ17] generated files are made anew before any agent is asked", () => {
  const driver = withConflict(ONE_EACH, true);
  const [leased] = driver.lease(["regenerate"]);
  expect(leased?.payload).toMatchObject({ kind: "regenerate", tip: "tip", item: { commit: "work" } });
  const { jobId, fence } = leased!.job;
  const result = { commit: "fresh", filesChanged: 2, paths: ["package-lock.json"], durationMs: 5 };
  driver.accept({ type: "change.regenerate", jobId, fence, result });
  expect(change(driver)).toMatchObject({
    state: "building",
    commit: "fresh",
    baseCommit: "tip",
    revision: 1,
  });
  expect(rungs(driver)).toEqual(["regenerate worked"]);
});

test("[MQ17] a command that does not help is not tried again; an agent is", () => {
  const driver = withConflict(ONE_EACH, true);
  const [leased] = driver.lease(["regenerate"]);
  const { jobId, fence } = leased!.job;
  driver.accept({ type: "job.fail", jobId, fence, reason: "npm is not there", how: "retry" });
  expect(leaseRung(driver).rung).toBe("hand-back");
  expect(change(driver).ladder[0]?.detail).toBe("npm is not there");
});

test("[MQ17] a rung without tries is left out, and money ends it too", () => {
  const free = withConflict(testQueuePolicy({ resolver: testBudget(2) }));
  expect(leaseRung(free).rung).toBe("resolver");
  const dear = withConflict(testQueuePolicy({ resolver: { ...testBudget(5), maxCostUsd: 0.4 } }));
  const usage = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, costUsd: 0.5 };
  dear.finish(leaseRung(dear).leased, { ...failedResult("conflict"), usage });
  expect(change(dear).work).toBeNull();
  expect(rungs(dear)).toEqual(["resolver failed"]);
  expect(selectTasks(dear.room.sql)[0]?.status).toBe("needs_input");
});

/** Has a change built, and everything but the branch itself found red. */
function buildAndFail(driver: ProjectDriver, policy: QueuePolicy): void {
  const [leased] = driver.lease(["build"]);
  if (leased?.payload.kind !== "build") throw new Error("nothing is to be built");
  driver.accept(stackBuild(leased, buildOutcomes(leased.payload), policy));
  for (let [job] = driver.lease(["validate"], 1); job !== undefined; [job] = driver.lease(["validate"], 1)) {
    if (job.payload.kind !== "validate") return;
    const { trial } = job.payload;
    const isBase = trial.changeIds.length === 0;
    const state = isBase ? "passed" : "failed";
    const step = { name: "test", state, required: true, exitCode: 1, durationMs: 1, output: "expected 2" };
    const validation = {
      tree: trial.key,
      commandsHash: "commands",
      commit: trial.commit,
      state,
      flaky: false,
      steps: [step],
      durationMs: 1,
    };
    driver.accept({ type: "validation.record", jobId: job.job.jobId, fence: job.job.fence, validation });
  }
  expect(selectTrials(driver.room.sql)).toEqual([]);
}

test("[MQ17] a red change goes to a repair agent with what the validation printed, then to a person", () => {
  const driver = openProjectDriver();
  driver.addTask("task");
  driver.startRun({ concurrency: 2 });
  driver.finish(driver.lease()[0]!);
  buildAndFail(driver, testQueuePolicy({ mode: "strict", repair: testBudget(1) }));
  const { rung, leased } = leaseRung(driver);
  expect(rung).toBe("repair");
  if (leased.payload.kind === "attempt")
    expect(leased.payload.ladder).toMatchObject({
      tip: `landed-${change(driver).changeId}`,
      validationOutput: "validation step 'test' ended with exit code 1:\nexpected 2",
    });
  driver.finish(leased, failedResult("crash"));
  expect(change(driver)).toMatchObject({ state: "failing", work: null });
  // A repair was tried, and the run does not ask for the task to be done again.
  expect(selectTasks(driver.room.sql)[0]).toMatchObject({ status: "open", labels: ["needs-investigation"] });
});

test("[MQ17] a repair whose change is red again counts, and the next one is told", () => {
  const driver = openProjectDriver();
  const policy = testQueuePolicy({ mode: "strict", repair: testBudget(2) });
  driver.addTask("task");
  driver.startRun({ concurrency: 2 });
  driver.finish(driver.lease()[0]!);
  buildAndFail(driver, policy);
  driver.finish(leaseRung(driver).leased, resolved("mended once"));
  expect(rungs(driver)).toEqual(["repair worked"]);
  buildAndFail(driver, policy);
  expect(rungs(driver)).toEqual(["repair failed"]);
  const { leased } = leaseRung(driver);
  expect(leased.payload.kind === "attempt" ? leased.payload.ladder : null).toMatchObject({
    tryNumber: 2,
    earlier: ["repair: it is red again: validation step 'test' ended with exit code 1:\nexpected 2"],
  });
  driver.finish(leased, resolved("mended twice"));
  buildAndFail(driver, policy);
  expect(rungs(driver)).toEqual(["repair failed", "repair failed"]);
  expect(change(driver)).toMatchObject({ state: "failing", work: null });
  expect(selectTasks(driver.room.sql)[0]).toMatchObject({ status: "open", labels: ["needs-investigation"] });
});

test("[MQ18] what a resolver made queues as the change's new work, and lands", () => {
  const driver = withConflict();
  driver.finish(leaseRung(driver).leased, resolved("merged"));
  expect(change(driver)).toMatchObject({
    state: "building",
    commit: "merged",
    baseCommit: "tip",
    revision: 1,
  });
  const [leased] = driver.lease(["build"]);
  if (leased?.payload.kind === "build")
    driver.accept(stackBuild(leased, buildOutcomes(leased.payload), ONE_EACH));
  moveAll(driver);
  expect(rungs(driver)).toEqual(["hand-back worked", "three-way worked"]);
  expect(change(driver).ladder[0]).toMatchObject({ costUsd: 0.5, paths: ["a.txt"] });
  expect(selectTasks(driver.room.sql)[0]?.status).toBe("closed");
});

test("[MQ18] an agent that would take lines of others away is not taken over, and the next one is told", () => {
  const driver = withConflict();
  const lost = [{ path: "a.txt", lines: ["their line"], count: 3 }];
  driver.finish(leaseRung(driver).leased, { ...failedResult("conflict"), lost });
  const { leased } = leaseRung(driver);
  expect(leased.payload.kind === "attempt" ? leased.payload.ladder?.earlier : []).toEqual([
    "hand-back: it would take away lines that others added: a.txt (3)",
  ]);
});

test("[MQ18] an interrupted agent is started again; one that a person ended is not followed by another", () => {
  const driver = withConflict();
  driver.lease();
  driver.accept({ type: "runner.register", runnerId: "rnr_two", hostId: "host" });
  const { rung, leased } = leaseRung(driver);
  expect(rung).toBe("hand-back");
  driver.accept({ type: "attempt.kill", target: leased.job.subjectIds[0]! });
  driver.finish(leased, attemptResult({ outcome: "killed", capture: null }));
  expect(change(driver)).toMatchObject({ state: "conflicted", work: null });
  expect(driver.lease()).toEqual([]);
});

test("[MQ18] a change cannot be moved while an agent works on it; a person's resolution replaces its work", () => {
  const driver = withConflict();
  const { changeId } = change(driver);
  const { leased } = leaseRung(driver);
  const resolve = {
    type: "change.resolve",
    changeId,
    commit: "mine",
    baseCommit: "tip",
    filesChanged: 1,
    detail: "by hand",
    paths: ["a.txt"],
  };
  expect(driver.submit(resolve)).toMatchObject({ code: "change.wrong-state" });
  driver.accept({ type: "attempt.kill", target: leased.job.subjectIds[0]! });
  driver.finish(leased, attemptResult({ outcome: "killed", capture: null }));
  driver.accept(resolve);
  expect(change(driver)).toMatchObject({ state: "building", commit: "mine", ladderFrom: 2 });
  expect(rungs(driver)).toEqual(["hand-back failed", "person worked"]);
});

test("[MQ18] retrying a change gives its ladder new budgets", () => {
  const driver = withConflict();
  driver.finish(leaseRung(driver).leased, failedResult("conflict"));
  driver.finish(leaseRung(driver).leased, failedResult("conflict"));
  driver.startRun({ watch: true });
  driver.accept({ type: "change.requeue", changeId: change(driver).changeId });
  conflict(driver);
  // Its run is over, so no agent is sent: a person is asked again.
  expect(change(driver)).toMatchObject({ state: "conflicted", work: null, ladderFrom: 2 });
});

test("[MQ2] a change whose task another change did meanwhile is not queued again, until the task is open again", () => {
  const driver = withConflict();
  const { changeId, taskId } = change(driver);
  driver.finish(leaseRung(driver).leased, failedResult("conflict"));
  driver.finish(leaseRung(driver).leased, failedResult("conflict"));
  driver.accept({ type: "task.reopen", task: taskId });
  driver.startRun();
  driver.finish(leaseRung(driver).leased);
  const [leased] = driver.lease(["build"]);
  if (leased?.payload.kind === "build")
    driver.accept(stackBuild(leased, buildOutcomes(leased.payload), ONE_EACH));
  moveAll(driver);
  expect(driver.changes().map(({ state }) => state)).toEqual(["conflicted", "landed"]);
  expect(driver.submit({ type: "change.requeue", changeId })).toMatchObject({ code: "change.wrong-state" });
  driver.accept({ type: "task.reopen", task: taskId });
  driver.accept({ type: "change.requeue", changeId });
});

test("[MQ19] overlaps are told when they change, and end with their session", () => {
  const driver = openProjectDriver();
  driver.addTask("one");
  driver.startRun();
  const [leased] = driver.lease();
  const attemptId = leased!.job.subjectIds[0]!;
  const report = (files: readonly string[]): number => {
    const overlaps = [{ other: null, files: files.map((path) => ({ path, kind: "content" })) }];
    driver.accept({ type: "radar.report", attemptId, overlaps });
    return driver.room.lastSeq;
  };
  const told = report(["a.txt"]);
  expect(report(["a.txt"])).toBe(told);
  expect(selectOverlaps(driver.room.sql)).toMatchObject([
    { attemptId, other: null, files: [{ path: "a.txt" }] },
  ]);
  expect(report([])).toBe(told + 1);
  report(["b.txt"]);
  driver.finish(leased!);
  expect(selectOverlaps(driver.room.sql)).toEqual([]);
});

test("[MQ17] who resolves is as the run says, then as the project says, then who did the work", () => {
  const chosen = (roles: Record<string, Json>, policy: QueuePolicy): unknown => {
    const driver = openProjectDriver();
    driver.addTask("task");
    driver.startRun({ concurrency: 2, model: "large", roles });
    driver.finish(driver.lease()[0]!);
    conflict(driver, policy);
    const { leased } = leaseRung(driver);
    return leased.payload.kind === "attempt" ? [leased.payload.agent, leased.payload.model] : null;
  };
  const resolver = (agent: string | null, model: string | null): QueuePolicy =>
    testQueuePolicy({ handBack: testBudget(0), resolver: { ...testBudget(1), agent, model } });
  expect(chosen({}, resolver(null, null))).toEqual(["scripted", "large"]);
  expect(chosen({}, resolver(null, "small"))).toEqual(["scripted", "small"]);
  expect(chosen({}, resolver("codex", null))).toEqual(["codex", null]);
  expect(chosen({ resolver: { model: "run" } }, resolver("codex", "small"))).toEqual(["codex", "run"]);
  expect(chosen({ resolver: { agent: "claude" } }, resolver("codex", "small"))).toEqual(["claude", null]);
});
