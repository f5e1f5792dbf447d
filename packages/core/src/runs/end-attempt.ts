import type {
  Attempt,
  AttemptResult,
  Capture,
  Change,
  Failure,
  ProjectEvent,
  Run,
  Task,
} from "@canopy/protocol";
import { assert } from "@canopy/protocol";
import type { DecideContext } from "../kernel/room-definition.ts";
import { decideRetry } from "../schedule/retry-policy.ts";
import { closeInquiriesOf, selectInquiry } from "../inquiries/inquiry-feature.ts";
import { CHANGE_DEFAULTS } from "../merge-queue/change-rows.ts";
import { settleLadderAttempt } from "../merge-queue/ladder.ts";
import { endSession } from "../sessions/session-feature.ts";
import { addComment, closeTask, releaseTask } from "../tasks/decide-task.ts";
import { selectTask, selectTasksByStatus } from "../tasks/select-tasks.ts";
import { selectFailureCount, selectRun } from "./run-rows.ts";
import { countInRun } from "./run-totals.ts";

type Context = DecideContext<ProjectEvent>;

/** Label of a task that failed for good; runs pass it over until somebody reopens it. */
export const NEEDS_INVESTIGATION = "needs-investigation";

const NO_OP: Failure = {
  cause: "no-op",
  message: "the agent said it was done, but nothing in the repository had changed",
  agentError: null,
  retryAfterMs: null,
};

function holdInRun(context: Context, attempt: Attempt, failure: Failure, untilMs: number | null): void {
  context.emit({
    type: "hold.placed",
    hold: {
      taskId: attempt.taskId,
      runId: attempt.runId,
      cause: failure.cause,
      untilMs,
      message: failure.message.slice(0, 2000),
    },
  });
}

/**
 * Gives a failed task back: for another try after a pause, or for good. For good means out of this run, and, when the
 * task itself is to blame, marked for a person. Returns whether it is tried again.
 */
export function giveTaskBack(context: Context, attempt: Attempt, failure: Failure): boolean {
  const run = selectRun(context.sql, attempt.runId);
  const task = selectTask(context.sql, attempt.taskId);
  assert(run !== undefined && task !== undefined, "an attempt has a run and a task");
  const decision = decideRetry({
    failure,
    failureCount: selectFailureCount(context.sql, attempt.taskId, failure.cause),
    options: run.options,
    random: context.random(),
  });
  if (!decision.retry) {
    giveTaskUp(context, attempt, failure);
    return false;
  }
  releaseTask(context, task, "open");
  if (decision.delayMs > 0) holdInRun(context, attempt, failure, context.nowMs + decision.delayMs);
  return true;
}

/** A parked task waits for its answer in every run, unless that has come meanwhile. */
function holdParked(context: Context, attempt: Attempt): void {
  const inquiry = attempt.parkedFor == null ? undefined : selectInquiry(context.sql, attempt.parkedFor);
  if (inquiry?.state !== "open") return;
  const { taskId } = attempt;
  const cause = inquiry.kind === "budget" ? "budget" : "question";
  const message = inquiry.text.slice(0, 2000);
  context.emit({ type: "hold.placed", hold: { taskId, runId: null, cause, untilMs: null, message } });
}

/** Gives a failed task back for good: out of this run, and, when the task itself is to blame, marked for a person. */
export function giveTaskUp(context: Context, attempt: Attempt, failure: Failure): void {
  const run = selectRun(context.sql, attempt.runId);
  const task = selectTask(context.sql, attempt.taskId);
  assert(run !== undefined && task !== undefined, "an attempt has a run and a task");
  const released = releaseTask(context, task, "open");
  holdInRun(context, attempt, failure, null);
  // A wrong agent fails every task alike, and so does a run that has spent what it may: no task is to blame.
  if (failure.cause === "configuration" || failure.cause === "run-budget") drainRun(context, run);
  else if (failure.cause === "claimed-elsewhere") {
    context.emit({ type: "task.updated", task: { ...released, status: "deferred" } });
  } else markForInvestigation(context, released, failure);
}

/** A wrong agent or command fails every task alike: the run starts nothing more. */
function drainRun(context: Context, run: Run): void {
  if (run.state === "running") context.emit({ type: "run.updated", run: { ...run, state: "draining" } });
}

function markForInvestigation(context: Context, task: Task, failure: Failure): void {
  if (task.labels.includes(NEEDS_INVESTIGATION)) return;
  const marked: Task = { ...task, labels: [...task.labels, NEEDS_INVESTIGATION], updatedAtMs: context.nowMs };
  context.emit({ type: "task.updated", task: marked });
  addComment(context, marked, `FAILED PERMANENTLY: ${failure.cause}: ${failure.message}`.slice(0, 10_000));
}

function queueChange(context: Context, attempt: Attempt, capture: Capture, baseCommit: string): void {
  const run = selectRun(context.sql, attempt.runId);
  assert(run !== undefined, "an attempt has a run");
  const change: Change = {
    ...CHANGE_DEFAULTS,
    changeId: context.newId("change"),
    taskId: attempt.taskId,
    attemptId: attempt.attemptId,
    runId: attempt.runId,
    commit: capture.commit,
    baseCommit,
    integrationRef: run.integrationRef,
    state: "queued",
    filesChanged: capture.filesChanged,
    conflicts: [],
    reason: null,
    landedCommit: null,
    queuedAtMs: context.nowMs,
    endedAtMs: null,
    scopes: capture.scopes,
  };
  context.emit({ type: "change.queued", change });
}

function settleUnchanged(context: Context, attempt: Attempt): void {
  const task = selectTask(context.sql, attempt.taskId);
  assert(task !== undefined, "an attempt has a task");
  const run = selectRun(context.sql, attempt.runId);
  assert(run !== undefined, "an attempt has a run");
  const decision = decideRetry({
    failure: NO_OP,
    failureCount: selectFailureCount(context.sql, attempt.taskId, "no-op"),
    options: run.options,
    random: context.random(),
  });
  if (decision.retry) {
    releaseTask(context, task, "open");
    return;
  }
  countInRun(context, attempt.runId, "unchanged");
  closeTask(
    context,
    task,
    "no change was needed: the agent finished without changing anything, more than once",
  );
}

function settle(context: Context, attempt: Attempt, result: AttemptResult): void {
  const task = selectTask(context.sql, attempt.taskId);
  assert(task !== undefined, "an attempt has a task");
  // Somebody else may hold the task by now (a person closed or took it); its state is then theirs.
  const isHolder = task.claim?.holder === attempt.attemptId;
  switch (result.outcome) {
    case "succeeded":
      assert(result.capture !== null && result.baseCommit !== null, "a success has a capture");
      queueChange(context, attempt, result.capture, result.baseCommit);
      return;
    case "unchanged":
      if (isHolder) settleUnchanged(context, attempt);
      return;
    case "failed":
      assert(attempt.failure !== null, "a failed attempt says why");
      if (isHolder && !giveTaskBack(context, attempt, attempt.failure))
        countInRun(context, attempt.runId, "failed");
      return;
    case "killed":
      countInRun(context, attempt.runId, "killed");
      if (isHolder) releaseTask(context, task, "open");
      holdInRun(
        context,
        attempt,
        { cause: "killed", message: "a person ended its attempt", agentError: null, retryAfterMs: null },
        null,
      );
      return;
    case "interrupted":
      if (isHolder) releaseTask(context, task, "open");
      holdParked(context, attempt);
  }
}

/** Tasks that the session's agent had claimed along with its own. */
function giveClaimsBack(context: Context, attempt: Attempt): void {
  for (const task of selectTasksByStatus(context.sql, "in_progress")) {
    if (task.claim?.holder !== attempt.sessionId) continue;
    const released = releaseTask(context, task, "open");
    const own = selectTask(context.sql, attempt.taskId);
    addComment(
      context,
      released,
      `claimed by ${attempt.sessionId} while it worked on #${own?.number ?? "?"}`,
    );
  }
}

/** Emits the end of an attempt and everything that follows: a change for the queue, a retry, or giving up. */
export function endAttempt(context: Context, attempt: Attempt, result: AttemptResult): void {
  const ended: Attempt = {
    ...attempt,
    state: result.outcome,
    baseCommit: result.baseCommit ?? attempt.baseCommit,
    capture: result.capture ?? attempt.capture,
    failure: result.outcome === "unchanged" ? NO_OP : result.failure,
    summary: result.summary,
    steps: result.steps ?? 0,
    parkedFor: result.outcome === "interrupted" ? (result.parkedFor ?? null) : null,
    usage: result.usage,
    endedAtMs: context.nowMs,
  };
  context.emit({ type: "attempt.ended", attempt: ended });
  endSession(context, ended);
  giveClaimsBack(context, ended);
  closeInquiriesOf(context, ended.attemptId, ended.parkedFor);
  countInRun(context, ended.runId, "attempts", ended);
  if (ended.ladder == null) settle(context, ended, result);
  else settleLadderAttempt(context, ended, result);
}
