import type {
  Attempt,
  AttemptResult,
  Change,
  ChangeWork,
  LadderStep,
  ProjectEvent,
  QueuePolicy,
  Run,
  RungBudget,
} from "@canopy/protocol";
import { assert } from "@canopy/protocol";
import { selectActiveJobOf, queueJob } from "../jobs/job-feature.ts";
import type { DecideContext } from "../kernel/room-definition.ts";
import { queueAttempt } from "../runs/queue-attempt.ts";
import { isFinal, selectActiveAttempts, selectAttempt, selectRun } from "../runs/run-rows.ts";
import { countInRun } from "../runs/run-totals.ts";
import { selectTask } from "../tasks/select-tasks.ts";
import { selectChange, selectChangesInWork } from "./change-rows.ts";
import { laneOf, updateChange } from "./edit-stack.ts";
import { retryOrGiveUpConflict } from "./settle-conflict.ts";
import { redoOrGiveUpFailing } from "./settle-failing.ts";
import { selectStack } from "./stack-rows.ts";

type Context = DecideContext<ProjectEvent>;
type Rung = ChangeWork["rung"];

const MAX_LADDER_STEPS = 60;
/** A rung that works, on and on, for the same change is not getting anywhere either. */
const MAX_WORKED_BEYOND_BUDGET = 5;

function stepsOf(change: Change, rung: LadderStep["rung"]): LadderStep[] {
  return change.ladder.slice(change.ladderFrom).filter((step) => step.rung === rung);
}

function budgetOf(policy: QueuePolicy, rung: Exclude<Rung, "regenerate">): QueuePolicy["resolver"] {
  if (rung === "hand-back") return policy.handBack;
  return rung === "resolver" ? policy.resolver : policy.repair;
}

function hasBudget(change: Change, policy: QueuePolicy, rung: Exclude<Rung, "regenerate">): boolean {
  const { attempts, maxCostUsd } = budgetOf(policy, rung);
  const steps = stepsOf(change, rung);
  const failedCount = steps.filter((step) => step.outcome === "failed").length;
  const spentUsd = steps.reduce((sum, step) => sum + (step.costUsd ?? 0), 0);
  if (attempts === 0 || failedCount >= attempts) return false;
  if (steps.length - failedCount >= attempts + MAX_WORKED_BEYOND_BUDGET) return false;
  return maxCostUsd === null || spentUsd < maxCostUsd;
}

/** The next rung that may be tried for a stuck change, or null when only a person is left. */
export function chooseRung(change: Change, policy: QueuePolicy, canRegenerate: boolean): Rung | null {
  if (change.state === "failing") return hasBudget(change, policy, "repair") ? "repair" : null;
  if (canRegenerate && stepsOf(change, "regenerate").every((step) => step.outcome === "worked"))
    return "regenerate";
  const rungs = ["hand-back", "resolver"] as const;
  return rungs.find((rung) => hasBudget(change, policy, rung)) ?? null;
}

/** Adds what a rung did to a change's record. */
export function addStep(change: Change, step: LadderStep): LadderStep[] {
  return [
    ...change.ladder,
    { ...step, detail: step.detail.slice(0, 4000), paths: step.paths.slice(0, 100) },
  ].slice(-MAX_LADDER_STEPS);
}

/** A repair whose change is red again did not help, and counts for its budget. */
export function countRedRepair(change: Change, reason: string): LadderStep[] {
  const at = change.ladder.length - 1;
  const last = change.ladder[at];
  if (last?.rung !== "repair" || last.outcome !== "worked" || at < change.ladderFrom) return change.ladder;
  const detail = `it is red again: ${reason}`.slice(0, 4000);
  return change.ladder.with(at, { ...last, outcome: "failed", detail });
}

/**
 * Sets a stuck change (conflicted or failing) on its next rung: an agent, a command, the task once more, or a person. The
 * change is emitted with what is done about it.
 */
export function climbLadder(context: Context, change: Change, canRegenerate: boolean): void {
  const policy = selectStack(context.sql, change.integrationRef, laneOf(change.scopes))?.policy;
  const run = selectRun(context.sql, change.runId);
  const isStarting = policy !== undefined && run?.state === "running" && change.stuckOn !== null;
  const rung = isStarting ? chooseRung(change, policy, canRegenerate) : null;
  const work = rung === null ? null : { rung, attemptId: null, tip: change.stuckOn ?? "" };
  const next: Change = { ...change, work, endedAtMs: work === null ? context.nowMs : null };
  context.emit({ type: change.state === "failing" ? "change.failing" : "change.conflicted", change: next });
  if (work !== null) return;
  if (next.state === "failing") redoOrGiveUpFailing(context, next);
  else retryOrGiveUpConflict(context, next);
}

/** Who works on a rung: as the run says, as the project says, or who did the work. A model goes with the agent it was said for. */
function chooseWorker(
  run: Run,
  rung: Exclude<ChangeWork["rung"], "regenerate">,
  budget: RungBudget,
  owner: Attempt,
): Pick<Attempt, "agent" | "model"> {
  // Runs of an older journal have no roles.
  const role = rung === "hand-back" ? undefined : run.options.roles?.[rung];
  const agent = role?.agent ?? budget.agent ?? owner.agent;
  const isOwners = role?.agent == null && budget.agent === null;
  const projectModel = role?.agent == null ? budget.model : null;
  return { agent, model: role?.model ?? projectModel ?? (isOwners ? owner.model : null) };
}

function startWork(context: Context, change: Change, work: ChangeWork, run: Run): void {
  const { rung } = work;
  const task = selectTask(context.sql, change.taskId);
  const owner = selectAttempt(context.sql, change.attemptId);
  const policy = selectStack(context.sql, change.integrationRef, laneOf(change.scopes))?.policy;
  if (rung === "regenerate" || task === undefined || owner === undefined || policy === undefined) return;
  const budget = budgetOf(policy, rung);
  const attempt = queueAttempt(context, {
    run,
    task,
    role: rung === "hand-back" ? "worker" : rung,
    ...chooseWorker(run, rung, budget, owner),
    ladder: { changeId: change.changeId, rung },
    sessionId: rung === "hand-back" ? owner.sessionId : null,
  });
  updateChange(context, change, { work: { ...work, attemptId: attempt.attemptId } });
}

/** Starts what stuck changes wait for, as far as their runs have slots; without a run, a person is asked. */
export function advanceWork(context: Context): void {
  for (const change of selectChangesInWork(context.sql)) {
    const { work } = change;
    if (work === null) continue;
    if (work.rung === "regenerate") {
      if (selectActiveJobOf(context.sql, change.changeId) === undefined)
        queueJob(context, "regenerate", [change.changeId]);
      continue;
    }
    const attempt = work.attemptId === null ? undefined : selectAttempt(context.sql, work.attemptId);
    if (attempt !== undefined && !isFinal(attempt.state)) continue;
    const run = selectRun(context.sql, change.runId);
    if (run?.state !== "running") {
      climbLadder(context, change, false);
      continue;
    }
    const busyCount = selectActiveAttempts(context.sql).filter((other) => other.runId === run.runId).length;
    if (busyCount < run.options.concurrency) startWork(context, change, work, run);
  }
}

/** New work replaces a change's old one, and it queues again. `step` says how. */
export function replaceWork(
  context: Context,
  change: Change,
  work: Pick<Change, "commit" | "baseCommit" | "filesChanged" | "scopes">,
  step: LadderStep,
): void {
  updateChange(context, change, {
    ...work,
    state: "queued",
    conflicts: [],
    reason: null,
    work: null,
    stuckOn: null,
    lostLines: [],
    endedAtMs: null,
    revision: change.revision + 1,
    ladder: addStep(change, step),
  });
}

/** Takes note that a rung did not help, and goes on to the next one. */
export function failWork(context: Context, change: Change, step: LadderStep, canRegenerate: boolean): void {
  climbLadder(context, { ...change, work: null, ladder: addStep(change, step) }, canRegenerate);
}

function describeLoss(result: AttemptResult): string {
  const files = result.lost.map(({ path, count }) => `${path} (${count})`).join(", ");
  return `it would take away lines that others added: ${files}`;
}

function createStep(
  context: Context,
  change: Change,
  { attempt, result }: Ended,
  outcome: LadderStep["outcome"],
): Omit<LadderStep, "detail"> {
  return {
    rung: attempt.ladder?.rung ?? "resolver",
    outcome,
    attemptId: attempt.attemptId,
    paths: change.conflicts.map((file) => file.path),
    costUsd: result.usage.costUsd,
    durationMs: Math.max(0, context.nowMs - (attempt.startedAtMs ?? context.nowMs)),
    atMs: context.nowMs,
  };
}

interface Ended {
  readonly attempt: Attempt;
  readonly result: AttemptResult;
}

/** A person ended the agent: no other one is sent after it. */
function giveToPerson(context: Context, change: Change, ended: Ended): void {
  countInRun(context, ended.attempt.runId, "killed");
  const step = { ...createStep(context, change, ended, "failed"), detail: "a person ended it" };
  const given: Change = { ...change, work: null, ladder: addStep(change, step), endedAtMs: context.nowMs };
  context.emit({ type: given.state === "failing" ? "change.failing" : "change.conflicted", change: given });
  if (given.state === "failing") redoOrGiveUpFailing(context, given);
  else retryOrGiveUpConflict(context, given);
}

function whyItFailed(result: AttemptResult): string {
  if (result.lost.length > 0) return describeLoss(result);
  return result.failure?.message ?? "it changed nothing that helps";
}

/** What the end of an attempt of the ladder means for its change. Late results for a change that moved on are ignored. */
export function settleLadderAttempt(context: Context, attempt: Attempt, result: AttemptResult): void {
  const change = attempt.ladder === null ? undefined : selectChange(context.sql, attempt.ladder.changeId);
  if (change?.work?.attemptId !== attempt.attemptId) return;
  const ended = { attempt, result };
  switch (result.outcome) {
    case "succeeded": {
      assert(result.capture !== null && result.baseCommit !== null, "a success has a capture");
      const { commit, filesChanged, scopes } = result.capture;
      const work = { commit, baseCommit: result.baseCommit, filesChanged, scopes };
      const step = { ...createStep(context, change, ended, "worked"), detail: result.summary };
      replaceWork(context, change, work, step);
      return;
    }
    case "interrupted":
      updateChange(context, change, { work: { ...change.work, attemptId: null } });
      return;
    case "killed":
      giveToPerson(context, change, ended);
      return;
    default: {
      const step = { ...createStep(context, change, ended, "failed"), detail: whyItFailed(result) };
      failWork(context, { ...change, lostLines: result.lost }, step, false);
    }
  }
}
