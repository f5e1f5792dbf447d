import type { Change, Job, JobPayload, LadderJob, LandItem, Stack } from "@canopy/protocol";
import { assert } from "@canopy/protocol";
import type { Sql } from "../kernel/sql.ts";
import { selectAttempt, selectRun } from "../runs/run-rows.ts";
import { selectTask } from "../tasks/select-tasks.ts";
import { selectChange, selectLanding } from "./change-rows.ts";
import { laneOf } from "./edit-stack.ts";
import { selectStack, selectTrial } from "./stack-rows.ts";

function requireChange(sql: Sql, changeId: string): Change {
  const change = selectChange(sql, changeId);
  assert(change !== undefined, `there is a change ${changeId}`);
  return change;
}

function buildItem(sql: Sql, change: Change): LandItem {
  const task = selectTask(sql, change.taskId);
  const attempt = selectAttempt(sql, change.attemptId);
  const run = selectRun(sql, change.runId);
  assert(
    task !== undefined && attempt !== undefined && run !== undefined,
    "a change has a task, attempt and run",
  );
  return {
    changeId: change.changeId,
    taskId: task.taskId,
    attemptId: attempt.attemptId,
    sessionId: attempt.sessionId,
    commit: change.commit,
    baseCommit: change.baseCommit,
    title: task.title,
    agent: attempt.agent,
    model: attempt.model,
    askedBy: run.startedBy,
    isLossAccepted: change.isLossAccepted,
  };
}

function placeOf(
  sql: Sql,
  change: Change,
): { readonly baseBranch: string; readonly checkout: string | null } {
  const run = selectRun(sql, change.runId);
  assert(run !== undefined, "a change has a run");
  return { baseBranch: run.options.baseBranch, checkout: run.options.checkout ?? null };
}

/** Where the next candidates of a lane go: on the last one, or (null) on the branch's tip. */
export function ontoOf(stack: Stack | undefined): string | null {
  return stack?.candidates.at(-1)?.commit ?? null;
}

/** What a runner needs to build the candidates of a job's changes. */
export function buildBuildPayload(sql: Sql, job: Job): JobPayload {
  const changes = job.subjectIds.map((changeId) => requireChange(sql, changeId));
  const [first] = changes;
  assert(first !== undefined, "a build has changes");
  const lane = laneOf(first.scopes);
  const stack = selectStack(sql, first.integrationRef, lane);
  const onto = ontoOf(stack);
  return {
    kind: "build",
    integrationRef: first.integrationRef,
    ...placeOf(sql, first),
    lane,
    scopes: lane === "*" ? null : first.scopes,
    tip: onto === null ? null : (stack?.tip ?? null),
    onto,
    items: changes.map((change) => buildItem(sql, change)),
  };
}

/** What a runner needs for the other jobs of the queue. */
export function buildQueuePayload(sql: Sql, job: Job): JobPayload {
  const [subject = ""] = job.subjectIds;
  if (job.kind === "build") return buildBuildPayload(sql, job);
  if (job.kind === "validate") {
    const trial = selectTrial(sql, job.jobId);
    assert(trial !== undefined, `job ${job.jobId} has a trial`);
    return { kind: "validate", trial };
  }
  if (job.kind === "regenerate") {
    const change = requireChange(sql, subject);
    assert(change.work !== null, "a change is regenerated only while it is worked on");
    const { tip } = change.work;
    return {
      kind: "regenerate",
      integrationRef: change.integrationRef,
      ...placeOf(sql, change),
      tip,
      item: buildItem(sql, change),
    };
  }
  const landing = selectLanding(sql, subject);
  assert(landing !== undefined, `job ${job.jobId} has a landing`);
  const [item] = landing.items;
  const checkout = item === undefined ? null : placeOf(sql, requireChange(sql, item.changeId)).checkout;
  return { kind: "move", checkout, landing };
}

/** What an attempt of the ladder starts from. */
export function buildLadderJob(
  sql: Sql,
  ladder: { readonly changeId: string; readonly rung: LadderJob["rung"] },
): LadderJob {
  const change = requireChange(sql, ladder.changeId);
  const steps = change.ladder.slice(change.ladderFrom);
  return {
    rung: ladder.rung,
    changeId: change.changeId,
    commit: change.commit,
    baseCommit: change.baseCommit,
    tip: change.work?.tip ?? change.stuckOn ?? change.baseCommit,
    tryNumber: steps.filter((step) => step.rung === ladder.rung).length + 1,
    earlier: steps
      .filter((step) => step.outcome === "failed")
      .slice(-5)
      .map((step) => `${step.rung}: ${step.detail}`.slice(0, 2000)),
    validationOutput: change.state === "failing" ? (change.reason ?? "") : "",
  };
}
