import type {
  Change,
  Job,
  JobPayload,
  LandItem,
  LandOutcome,
  Landing,
  ProjectCommand,
  ProjectEvent,
} from "@canopy/protocol";
import { assert, reject } from "@canopy/protocol";
import type { DecideAnswer, DecideContext } from "../kernel/room-definition.ts";
import { accept } from "../kernel/room-definition.ts";
import type { Sql } from "../kernel/sql.ts";
import { checkLease, completeJob, queueJob, requeueJob } from "../jobs/job-feature.ts";
import { retryOrGiveUpConflict } from "./settle-conflict.ts";
import { fileFollowUp, settleFailing } from "./settle-failing.ts";
import { selectAttempt, selectRun } from "../runs/run-rows.ts";
import { countInRun } from "../runs/run-totals.ts";
import { addComment, closeTask, releaseTask } from "../tasks/decide-task.ts";
import { selectTask } from "../tasks/select-tasks.ts";
import { selectChange, selectLanding, selectOpenLandingOf } from "./change-rows.ts";

type Context = DecideContext<ProjectEvent>;
type Command<T extends ProjectCommand["type"]> = Extract<ProjectCommand, { type: T }>;

const RETRY_PAUSE_MS = 1000;

/** What a runner needs to land the changes of a job. */
export function buildLandPayload(sql: Sql, job: Job): JobPayload {
  const items: LandItem[] = [];
  let integrationRef = "";
  let baseBranch = "";
  let checkout: string | null = null;
  for (const changeId of job.subjectIds) {
    const change = selectChange(sql, changeId);
    assert(change !== undefined, `job ${job.jobId} has change ${changeId}`);
    const task = selectTask(sql, change.taskId);
    const attempt = selectAttempt(sql, change.attemptId);
    const run = selectRun(sql, change.runId);
    assert(
      task !== undefined && attempt !== undefined && run !== undefined,
      "a change has a task, attempt and run",
    );
    integrationRef = change.integrationRef;
    baseBranch = run.options.baseBranch;
    checkout = run.options.checkout ?? null;
    items.push({
      changeId: change.changeId,
      taskId: task.taskId,
      attemptId: attempt.attemptId,
      sessionId: attempt.sessionId,
      commit: change.commit,
      title: task.title,
      agent: attempt.agent,
      model: attempt.model,
      askedBy: run.startedBy,
    });
  }
  return { kind: "land", integrationRef, baseBranch, checkout, items };
}

function landChange(context: Context, change: Change, commit: string): void {
  const landed: Change = {
    ...change,
    state: "landed",
    landedCommit: commit,
    reason: null,
    endedAtMs: context.nowMs,
  };
  context.emit({ type: "change.landed", change: landed });
  countInRun(context, change.runId, "landed");
  const task = selectTask(context.sql, change.taskId);
  if (task !== undefined && task.status !== "closed") closeTask(context, task, `landed as ${commit}`);
}

function requeueChanges(context: Context, changeIds: readonly string[]): void {
  for (const changeId of changeIds) {
    const change = selectChange(context.sql, changeId);
    if (change?.state === "landing" || change?.state === "testing") {
      context.emit({ type: "change.updated", change: { ...change, state: "queued" } });
    }
  }
}

function settleConflict(context: Context, outcome: Extract<LandOutcome, { state: "conflicted" }>): void {
  const change = selectChange(context.sql, outcome.changeId);
  assert(change !== undefined, `change ${outcome.changeId} exists`);
  const conflicted: Change = {
    ...change,
    state: "conflicted",
    conflicts: outcome.conflicts,
    reason: outcome.message,
    endedAtMs: context.nowMs,
  };
  context.emit({ type: "change.conflicted", change: conflicted });
  retryOrGiveUpConflict(context, conflicted);
}

/** The changes of a landing are merged and are now being validated. */
export function decideTestLanding(context: Context, command: Command<"landing.test">): DecideAnswer {
  const checked = checkLease(context.sql, command, "land");
  if (checked.type === "rejection") return checked;
  for (const changeId of checked.job.subjectIds) {
    const change = selectChange(context.sql, changeId);
    if (change?.state === "landing")
      context.emit({ type: "change.updated", change: { ...change, state: "testing" } });
  }
  return accept();
}

/** A tree was validated: remembered, so that it never is again by the same commands. */
export function decideRecordValidation(
  context: Context,
  command: Command<"validation.record">,
): DecideAnswer {
  const checked = checkLease(context.sql, command, "land");
  if (checked.type === "rejection") return checked;
  context.emit({ type: "validation.recorded", validation: command.validation });
  return accept();
}

/**
 * The runner merged the changes and is about to move the branch: the intent is written down first. Conflicts are
 * settled at once; when nothing is left to land the job is over.
 */
export function decideIntendLanding(context: Context, command: Command<"landing.intend">): DecideAnswer {
  const checked = checkLease(context.sql, command, "land");
  if (checked.type === "rejection") return checked;
  const items: Landing["items"] = [];
  for (const outcome of command.outcomes) {
    if (!checked.job.subjectIds.includes(outcome.changeId)) {
      return reject("command.invalid", `change ${outcome.changeId} is not part of job ${checked.job.jobId}`);
    }
    if (outcome.state === "conflicted") settleConflict(context, outcome);
    else if (outcome.state === "failing") settleFailing(context, outcome);
    else items.push({ changeId: outcome.changeId, commit: outcome.commit });
  }
  const left = checked.job.subjectIds.filter(
    (id) => !command.outcomes.some((outcome) => outcome.changeId === id),
  );
  requeueChanges(context, left);
  const [integrationRef] = items.map((item) => selectChange(context.sql, item.changeId)?.integrationRef);
  if (integrationRef === undefined) {
    completeJob(context, checked.job);
    return accept({ landingId: null });
  }
  const landing: Landing = {
    landingId: context.newId("landing"),
    integrationRef,
    oldCommit: command.oldCommit,
    newCommit: command.newCommit,
    items,
    state: "intended",
  };
  context.emit({ type: "landing.intended", landing });
  if (command.followUp !== undefined) {
    fileFollowUp(
      context,
      items.map((item) => item.changeId),
      command.followUp,
    );
  }
  return accept({ landingId: landing.landingId });
}

/** The branch moved, or it turned out that it had not: the changes are landed, or queued again for the new tip. */
export function decideFinishLanding(context: Context, command: Command<"landing.finish">): DecideAnswer {
  const checked = checkLease(context.sql, command, ["land", "verify-landing"]);
  if (checked.type === "rejection") return checked;
  const landing = selectLanding(context.sql, command.landingId);
  if (landing === undefined) return reject("landing.not-found", `no landing ${command.landingId}`);
  if (landing.state !== "intended")
    return reject("landing.wrong-state", `landing ${landing.landingId} is ${landing.state}`);
  completeJob(context, checked.job);
  if (!command.landed) {
    context.emit({ type: "landing.abandoned", landing: { ...landing, state: "abandoned" } });
    requeueChanges(
      context,
      landing.items.map((item) => item.changeId),
    );
    return accept();
  }
  context.emit({ type: "landing.landed", landing: { ...landing, state: "landed" } });
  for (const item of landing.items) {
    const change = selectChange(context.sql, item.changeId);
    if (change !== undefined && change.state !== "landed") landChange(context, change, item.commit);
  }
  return accept();
}

function blockChanges(context: Context, changeIds: readonly string[], reason: string): void {
  for (const changeId of changeIds) {
    const change = selectChange(context.sql, changeId);
    if (change?.state !== "landing" && change?.state !== "testing") continue;
    const blocked: Change = { ...change, state: "blocked", reason, endedAtMs: context.nowMs };
    context.emit({ type: "change.updated", change: blocked });
    countInRun(context, change.runId, "failed");
    const task = selectTask(context.sql, change.taskId);
    if (task?.claim?.holder !== change.attemptId) continue;
    addComment(context, releaseTask(context, task, "needs_input"), `LANDING BLOCKED: ${reason}`);
  }
}

/** The landing could not be tried: later again, or blocked until somebody acts. Nothing is lost either way. */
export function decideFailLanding(context: Context, command: Command<"landing.fail">): DecideAnswer {
  const checked = checkLease(context.sql, command, ["land", "verify-landing"]);
  if (checked.type === "rejection") return checked;
  const { job } = checked;
  if (job.kind === "verify-landing") {
    // The intent stays; the same question is asked again.
    requeueJob(context, job);
    return accept();
  }
  const [integrationRef] = job.subjectIds.map((id) => selectChange(context.sql, id)?.integrationRef);
  completeJob(context, job);
  const open = selectOpenLandingOf(context.sql, job.subjectIds);
  if (open !== undefined) {
    queueJob(context, "verify-landing", [open.landingId]);
    return accept();
  }
  if (!command.retry) {
    blockChanges(context, job.subjectIds, command.reason);
    return accept();
  }
  if (integrationRef !== undefined) {
    const untilMs = context.nowMs + RETRY_PAUSE_MS;
    context.emit({ type: "queue.paused", integrationRef, untilMs, reason: command.reason });
  }
  requeueChanges(context, job.subjectIds);
  return accept();
}

/** A runner died with a landing job: if it had announced its intent, the ref is read first; else it starts over. */
export function recoverLandJob(context: Context, job: Job): void {
  if (job.kind === "verify-landing") {
    requeueJob(context, job);
    return;
  }
  const open = selectOpenLandingOf(context.sql, job.subjectIds);
  completeJob(context, job);
  if (open !== undefined) queueJob(context, "verify-landing", [open.landingId]);
  else requeueChanges(context, job.subjectIds);
}
