import type {
  Attempt,
  ContinuedAttempt,
  Job,
  Json,
  JobPayload,
  LeasedJob,
  ProjectCommand,
  ProjectEvent,
} from "@canopy/protocol";
import { assert, reject } from "@canopy/protocol";
import type { DecideAnswer, DecideContext } from "../kernel/room-definition.ts";
import { accept, acceptOnce } from "../kernel/room-definition.ts";
import {
  checkLease,
  completeJob,
  isRunnerAlive,
  leaseJob,
  selectJob,
  selectJobs,
  selectRunnersOfHost,
} from "../jobs/job-feature.ts";
import { buildLadderJob, buildQueuePayload } from "../merge-queue/build-payloads.ts";
import { selectChange, selectChangesOfTask } from "../merge-queue/change-rows.ts";
import { laneOf } from "../merge-queue/edit-stack.ts";
import { describeConflict } from "../merge-queue/settle-conflict.ts";
import { selectStack } from "../merge-queue/stack-rows.ts";
import type { Sql } from "../kernel/sql.ts";
import { buildFork } from "../sessions/decide-fork.ts";
import { activateSession } from "../sessions/session-feature.ts";
import { selectInquiry } from "../inquiries/inquiry-feature.ts";
import { selectSections } from "../board/select-sections.ts";
import { buildAnswerPrompt, buildContinuePrompt, buildPrompt } from "../tasks/build-prompt.ts";
import { selectComments, selectTask } from "../tasks/select-tasks.ts";
import { endAttempt } from "./end-attempt.ts";
import { selectSpent } from "./select-spent.ts";
import { selectAttempt, selectAttemptsOfTask, selectRun } from "./run-rows.ts";

type Context = DecideContext<ProjectEvent>;
type Command<T extends ProjectCommand["type"]> = Extract<ProjectCommand, { type: T }>;

/** Why earlier changes of a task did not land, by attempt. */
function selectChangeReasons(sql: Sql, taskId: string): ReadonlyMap<string, string> {
  const stuck = selectChangesOfTask(sql, taskId).filter(
    (change) => change.state === "conflicted" || change.state === "failing",
  );
  return new Map(
    stuck.map((change) => [
      change.attemptId,
      change.state === "conflicted" ? describeConflict(change) : (change.reason ?? "its validation failed"),
    ]),
  );
}

/** What an attempt goes on with: the one before it in the same session. */
function buildContinued(
  context: Context,
  attempt: Attempt,
  earlier: readonly Attempt[],
  prompt: string,
): ContinuedAttempt | null {
  const before = earlier.findLast((other) => other.sessionId === attempt.sessionId);
  if (before === undefined) return null;
  const { attemptId, capture, baseCommit } = before;
  const inquiry = before.parkedFor == null ? undefined : selectInquiry(context.sql, before.parkedFor);
  return {
    attemptId,
    work: capture === null || baseCommit === null ? null : { baseCommit, commit: capture.commit },
    prompt: inquiry?.state === "answered" ? buildAnswerPrompt(inquiry) : buildContinuePrompt(prompt),
  };
}

function buildAttemptPayload(context: Context, job: Job): JobPayload {
  const attempt = selectAttempt(context.sql, job.subjectIds[0] ?? "");
  assert(attempt !== undefined, `job ${job.jobId} has an attempt`);
  const task = selectTask(context.sql, attempt.taskId);
  const run = selectRun(context.sql, attempt.runId);
  assert(task !== undefined && run !== undefined, "an attempt has a run and a task");
  const earlier = selectAttemptsOfTask(context.sql, task.taskId).filter(
    (other) => other.number < attempt.number,
  );
  const prompt = buildPrompt({
    task,
    sections: selectSections(context.sql, task.taskId),
    comments: selectComments(context.sql, task.taskId),
    earlier,
    changeReasons: selectChangeReasons(context.sql, task.taskId),
  });
  return {
    kind: "attempt",
    attemptId: attempt.attemptId,
    attemptNumber: attempt.number,
    runId: run.runId,
    taskId: task.taskId,
    sessionId: attempt.sessionId,
    title: task.title,
    description: task.description,
    labels: task.labels,
    prompt,
    // Who works on a stuck change is asked about that, not about the task.
    ...(task.images === undefined || attempt.ladder != null ? {} : { images: task.images }),
    agent: attempt.agent,
    model: attempt.model,
    timeoutMs: selectTimeoutMs(context.sql, attempt) ?? task.timeoutMs ?? run.options.timeoutMs,
    integrationRef: run.integrationRef,
    baseBranch: run.options.baseBranch,
    // Runs of an older journal have none.
    checkout: run.options.checkout ?? null,
    askedBy: run.startedBy,
    ladder: attempt.ladder == null ? null : buildLadderJob(context.sql, attempt.ladder),
    continues: attempt.ladder == null ? buildContinued(context, attempt, earlier, prompt) : null,
    forkOf: buildFork(context.sql, task, attempt),
    spent: selectSpent(context.sql, { attempt, run, earlier, nowMs: context.nowMs }),
  };
}

/** A rung of the ladder has its own limit. */
function selectTimeoutMs(sql: Sql, attempt: Attempt): number | null {
  const change = attempt.ladder == null ? undefined : selectChange(sql, attempt.ladder.changeId);
  if (change === undefined || attempt.ladder == null) return null;
  const policy = selectStack(sql, change.integrationRef, laneOf(change.scopes))?.policy;
  if (policy === undefined) return null;
  const { rung } = attempt.ladder;
  return { "hand-back": policy.handBack, resolver: policy.resolver, repair: policy.repair }[rung].timeoutMs;
}

function buildPayload(context: Context, job: Job): JobPayload {
  return job.kind === "attempt" ? buildAttemptPayload(context, job) : buildQueuePayload(context.sql, job);
}

/** Leases queued jobs to a runner, oldest first. */
export function decideLeaseJobs(context: Context, command: Command<"job.lease">): DecideAnswer {
  const jobs = selectJobs(context.sql, "queued")
    .filter((job) => command.kinds.some((kind) => kind === job.kind))
    .slice(0, command.limit)
    .map((job): LeasedJob => {
      const payload = buildPayload(context, job);
      return { job: leaseJob(context, job, command.runnerId), payload };
    });
  return acceptOnce({ jobs: jobs as unknown as Json });
}

/** A runner is gone: the queue asks anew for what it did; its attempts end as interrupted and are tried again. */
function loseJob(context: Context, job: Job): void {
  completeJob(context, job);
  if (job.kind !== "attempt") return;
  const attempt = selectAttempt(context.sql, job.subjectIds[0] ?? "");
  assert(attempt !== undefined, `job ${job.jobId} has an attempt`);
  const wasKilled = job.cancelRequested === "kill";
  endAttempt(context, attempt, {
    lost: [],
    outcome: wasKilled ? "killed" : "interrupted",
    baseCommit: attempt.baseCommit,
    capture: attempt.capture,
    failure: null,
    summary: "the program that ran it ended; what it had done is kept",
    usage: attempt.usage,
    parkedFor: null,
    // Attempts of an older journal have none.
    steps: attempt.steps ?? 0,
  });
}

/** A new runner of a host: whatever earlier runners of that host had leased is over. */
export function decideRegisterRunner(context: Context, command: Command<"runner.register">): DecideAnswer {
  const earlier = new Set(selectRunnersOfHost(context.sql, command.hostId));
  earlier.delete(command.runnerId);
  context.emit({ type: "runner.registered", runnerId: command.runnerId, hostId: command.hostId });
  // Jobs of journals before 0.2, which nobody leases any more: the queue asks for the same work in its new form.
  for (const job of selectJobs(context.sql, "queued")) {
    if (job.kind === "land" || job.kind === "verify-landing") completeJob(context, job);
  }
  let lostCount = 0;
  for (const job of selectJobs(context.sql, "leased")) {
    if (job.runnerId === null || !earlier.has(job.runnerId)) continue;
    loseJob(context, job);
    lostCount += 1;
  }
  return accept({ lostCount });
}

/** A lease has run out: renewed when its runner gave a sign of life, lost otherwise. */
export function onLeaseTimer(context: Context, key: string): void {
  const job = selectJob(context.sql, key.slice("lease:".length));
  if (job === undefined || job.state !== "leased" || job.runnerId === null) return;
  if (isRunnerAlive(context.sql, job.runnerId, context.nowMs)) {
    context.emit({ type: "job.renewed", job, leaseUntilMs: context.nowMs + 60_000 });
    return;
  }
  loseJob(context, job);
}

function findLeasedAttempt(
  context: Context,
  lease: Pick<Command<"attempt.start">, "jobId" | "fence">,
): { readonly type: "attempt"; readonly attempt: Attempt; readonly job: Job } | DecideAnswer {
  const checked = checkLease(context.sql, lease, "attempt");
  if (checked.type === "rejection") return checked;
  const attempt = selectAttempt(context.sql, checked.job.subjectIds[0] ?? "");
  assert(attempt !== undefined, "an attempt job has an attempt");
  return { type: "attempt", attempt, job: checked.job };
}

/** The workspace stands and the agent starts. */
export function decideStartAttempt(context: Context, command: Command<"attempt.start">): DecideAnswer {
  const found = findLeasedAttempt(context, command);
  if (found.type !== "attempt") return found;
  const attempt: Attempt = {
    ...found.attempt,
    state: "running",
    baseCommit: command.baseCommit,
    workspaceBackend: command.workspaceBackend,
    startedAtMs: context.nowMs,
  };
  context.emit({ type: "attempt.started", attempt });
  activateSession(context, attempt.sessionId, command.sandboxLevel ?? null);
  return accept({ attemptId: attempt.attemptId });
}

/** A running attempt has spent something: its end counts it, also when its runner is lost. */
export function decideSpendAttempt(context: Context, command: Command<"attempt.spend">): DecideAnswer {
  const found = findLeasedAttempt(context, command);
  if (found.type !== "attempt") return found;
  const { usage, steps } = command;
  context.emit({ type: "attempt.updated", attempt: { ...found.attempt, usage, steps } });
  return accept({ attemptId: found.attempt.attemptId });
}

/** An agent is done; the slot is free at once, landing is the queue's business. */
export function decideFinishAttempt(context: Context, command: Command<"attempt.finish">): DecideAnswer {
  const found = findLeasedAttempt(context, command);
  if (found.type !== "attempt") return found;
  const { result } = command;
  if (result.outcome === "succeeded" && (result.capture === null || result.baseCommit === null)) {
    return reject("command.invalid", "a successful attempt needs its capture and base commit");
  }
  if (result.outcome === "failed" && result.failure === null) {
    return reject("command.invalid", "a failed attempt needs its failure");
  }
  completeJob(context, found.job);
  // A person's kill wins over whatever the agent still reported, unless it had finished its work.
  const wasKilled = found.job.cancelRequested === "kill" && result.outcome !== "succeeded";
  endAttempt(context, found.attempt, wasKilled ? { ...result, outcome: "killed", failure: null } : result);
  return accept({ attemptId: found.attempt.attemptId });
}

/** Work found in the workspace of a dead runner is added to its attempt, whatever became of that. */
export function decideRecoverAttempt(context: Context, command: Command<"attempt.recover">): DecideAnswer {
  const attempt = selectAttempt(context.sql, command.attemptId);
  if (attempt === undefined) return reject("attempt.not-found", `no attempt ${command.attemptId}`);
  if (attempt.capture !== null) return accept({ attemptId: attempt.attemptId });
  const recovered: Attempt = {
    ...attempt,
    baseCommit: attempt.baseCommit ?? command.baseCommit,
    capture: command.capture,
  };
  context.emit({ type: "attempt.updated", attempt: recovered });
  return accept({ attemptId: attempt.attemptId });
}
