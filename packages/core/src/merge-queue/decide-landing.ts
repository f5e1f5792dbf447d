import type { Change, Landing, LadderStep, ProjectCommand, ProjectEvent, Stack } from "@canopy/protocol";
import { reject } from "@canopy/protocol";
import { checkLease, completeJob } from "../jobs/job-feature.ts";
import type { DecideAnswer, DecideContext } from "../kernel/room-definition.ts";
import { accept } from "../kernel/room-definition.ts";
import { countInRun } from "../runs/run-totals.ts";
import { closeTask } from "../tasks/decide-task.ts";
import { selectTask } from "../tasks/select-tasks.ts";
import { selectChange, selectLanding } from "./change-rows.ts";
import { blockChange } from "./decide-build.ts";
import { resetStacks, updateChange } from "./edit-stack.ts";
import { addStep, failWork, replaceWork } from "./ladder.ts";
import { selectQueuePause } from "./change-rows.ts";
import { selectStack, selectTrial } from "./stack-rows.ts";

type Context = DecideContext<ProjectEvent>;
type Command<T extends ProjectCommand["type"]> = Extract<ProjectCommand, { type: T }>;

const RETRY_PAUSE_MS = 1000;
const QUEUE_JOBS = ["build", "validate", "move", "regenerate"] as const;

function landChange(context: Context, change: Change, commit: string, stack: Stack | undefined): void {
  const candidate = stack?.candidates.find((other) => other.changeId === change.changeId);
  const step: LadderStep = {
    rung: candidate?.rung ?? "three-way",
    outcome: "worked",
    attemptId: null,
    detail: candidate?.detail ?? "",
    paths: candidate?.paths ?? [],
    costUsd: null,
    durationMs: 0,
    atMs: context.nowMs,
  };
  const landed: Change = {
    ...change,
    state: "landed",
    landedCommit: commit,
    reason: null,
    stuckOn: null,
    endedAtMs: context.nowMs,
    ladder: addStep(change, step),
  };
  context.emit({ type: "change.landed", change: landed });
  countInRun(context, change.runId, "landed");
  const task = selectTask(context.sql, change.taskId);
  if (task !== undefined && task.status !== "closed") closeTask(context, task, `landed as ${commit}`);
}

/** The stack after its front has landed: the rest stands on the new tip, and more may be tried at once. */
function advanceStack(context: Context, landing: Landing, stack: Stack | undefined): void {
  resetStacks(context, landing.integrationRef, landing.lane);
  if (stack === undefined) return;
  const last = stack.candidates.findIndex(
    (candidate) => candidate.changeId === landing.items.at(-1)?.changeId,
  );
  const tip = stack.candidates[last];
  if (tip === undefined) return;
  context.emit({
    type: "stack.changed",
    stack: {
      ...stack,
      refCommit: landing.newCommit,
      tip: tip.commit,
      tipTree: tip.tree,
      tipKey: tip.key,
      window: Math.min(stack.policy.windowMax, stack.window + landing.items.length),
      candidates: stack.candidates.slice(last + 1),
    },
  });
}

/** The branch moved, or it turned out that it had not: the changes are landed, or built again on the new tip. */
export function decideFinishLanding(context: Context, command: Command<"landing.finish">): DecideAnswer {
  const checked = checkLease(context.sql, command, "move");
  if (checked.type === "rejection") return checked;
  const landing = selectLanding(context.sql, command.landingId);
  if (landing === undefined || !checked.job.subjectIds.includes(command.landingId))
    return reject("landing.not-found", `no landing ${command.landingId} in job ${command.jobId}`);
  if (landing.state !== "intended")
    return reject("landing.wrong-state", `landing ${landing.landingId} is ${landing.state}`);
  completeJob(context, checked.job);
  if (!command.landed) {
    abandonLanding(context, landing);
    return accept();
  }
  const stack = selectStack(context.sql, landing.integrationRef, landing.lane);
  context.emit({ type: "landing.landed", landing: { ...landing, state: "landed" } });
  for (const item of landing.items) {
    const change = selectChange(context.sql, item.changeId);
    if (change !== undefined && change.state !== "landed") landChange(context, change, item.commit, stack);
  }
  advanceStack(context, landing, stack);
  return accept();
}

/** Nothing of a landing happened: its changes, and all that were merged on the same tip, queue again. */
function abandonLanding(context: Context, landing: Landing): void {
  context.emit({ type: "landing.abandoned", landing: { ...landing, state: "abandoned" } });
  for (const item of landing.items) {
    const change = selectChange(context.sql, item.changeId);
    if (change?.state === "landing") updateChange(context, change, { state: "testing" });
  }
  resetStacks(context, landing.integrationRef);
}

/** Pauses landing on a branch for a moment. A person's own pause stays as it is. */
function pauseForNow(context: Context, integrationRef: string, reason: string): void {
  if (selectQueuePause(context.sql, integrationRef) !== null) return;
  context.emit({ type: "queue.paused", integrationRef, untilMs: context.nowMs + RETRY_PAUSE_MS, reason });
}

function blockAll(context: Context, changeIds: readonly string[], reason: string): void {
  for (const changeId of changeIds) {
    const change = selectChange(context.sql, changeId);
    if (change !== undefined && ["building", "testing", "queued"].includes(change.state))
      blockChange(context, change, reason);
  }
}

function failRegenerate(context: Context, changeId: string, reason: string): void {
  const change = selectChange(context.sql, changeId);
  if (change?.work?.rung !== "regenerate") return;
  failWork(context, change, regenerateStep(context, change, "failed", reason), false);
}

function failMove(context: Context, landingId: string, { reason, how }: Command<"job.fail">): void {
  const landing = selectLanding(context.sql, landingId);
  if (landing?.state !== "intended") return;
  if (how !== "hopeless") {
    pauseForNow(context, landing.integrationRef, reason);
    return;
  }
  abandonLanding(context, landing);
  blockAll(
    context,
    landing.items.map((item) => item.changeId),
    reason,
  );
}

/** The work of a queue job could not be done. Nothing is lost: it is tried again later, or a person is asked. */
export function decideFailJob(context: Context, command: Command<"job.fail">): DecideAnswer {
  const checked = checkLease(context.sql, command, QUEUE_JOBS);
  if (checked.type === "rejection") return checked;
  const { job } = checked;
  const [subject = ""] = job.subjectIds;
  const trial = selectTrial(context.sql, job.jobId);
  completeJob(context, job);
  if (command.how === "cancelled") return accept();
  if (job.kind === "regenerate") failRegenerate(context, subject, command.reason);
  else if (job.kind === "move") failMove(context, subject, command);
  else if (trial !== undefined) failWith(context, command, trial.integrationRef, trial.changeIds);
  else failWith(context, command, selectChange(context.sql, subject)?.integrationRef, job.subjectIds);
  return accept();
}

/** A build or a validation failed: its branch waits a moment, or its changes are blocked. */
function failWith(
  context: Context,
  { how, reason }: Command<"job.fail">,
  integrationRef: string | undefined,
  changeIds: readonly string[],
): void {
  if (integrationRef === undefined) return;
  if (how !== "hopeless") {
    pauseForNow(context, integrationRef, reason);
    return;
  }
  resetStacks(context, integrationRef);
  blockAll(context, changeIds, reason);
}

function regenerateStep(
  context: Context,
  change: Change,
  outcome: LadderStep["outcome"],
  detail: string,
): LadderStep {
  return {
    rung: "regenerate",
    outcome,
    attemptId: null,
    detail,
    paths: change.conflicts.map((file) => file.path),
    costUsd: null,
    durationMs: 0,
    atMs: context.nowMs,
  };
}

/** Generated files were made anew: the change queues again with them. */
export function decideRegenerateChange(
  context: Context,
  command: Command<"change.regenerate">,
): DecideAnswer {
  const checked = checkLease(context.sql, command, "regenerate");
  if (checked.type === "rejection") return checked;
  const change = selectChange(context.sql, checked.job.subjectIds[0] ?? "");
  completeJob(context, checked.job);
  if (change?.work?.rung !== "regenerate") return accept();
  const { result } = command;
  const step = regenerateStep(context, change, "worked", `made anew: ${result.paths.join(", ")}`);
  const work = {
    commit: result.commit,
    baseCommit: change.work.tip,
    filesChanged: result.filesChanged,
    scopes: change.scopes,
  };
  replaceWork(context, change, work, { ...step, durationMs: result.durationMs });
  return accept();
}
