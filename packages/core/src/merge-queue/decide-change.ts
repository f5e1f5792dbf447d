import type { Change, ProjectCommand, ProjectEvent } from "@canopy/protocol";
import { reject } from "@canopy/protocol";
import type { DecideAnswer, DecideContext } from "../kernel/room-definition.ts";
import { accept } from "../kernel/room-definition.ts";
import { isFinal, selectAttempt } from "../runs/run-rows.ts";
import { addComment, claimTask, releaseTask } from "../tasks/decide-task.ts";
import { selectTask } from "../tasks/select-tasks.ts";
import { selectChange, selectChangesByState, selectQueuePauses } from "./change-rows.ts";
import { removeFromStack, updateChange } from "./edit-stack.ts";
import { addStep } from "./ladder.ts";
import { selectQueueOrder } from "./take-queued.ts";

type Context = DecideContext<ProjectEvent>;
type Command<T extends ProjectCommand["type"]> = Extract<ProjectCommand, { type: T }>;
type State = Change["state"];

const ASIDE: readonly State[] = ["conflicted", "failing", "blocked", "paused", "ejected", "abandoned"];
const MOVABLE: readonly State[] = ["queued", "building", "testing", ...ASIDE];

function findChange(
  context: Context,
  changeId: string,
  states: readonly State[],
): { readonly type: "change"; readonly change: Change } | Exclude<DecideAnswer, { type: "accepted" }> {
  const change = selectChange(context.sql, changeId);
  if (change === undefined) return reject("change.not-found", `no change ${changeId}`);
  if (!states.includes(change.state))
    return reject("change.wrong-state", `change ${change.changeId} is ${change.state}`);
  const attemptId = change.work?.attemptId ?? null;
  const attempt = attemptId === null ? undefined : selectAttempt(context.sql, attemptId);
  if (attempt !== undefined && !isFinal(attempt.state)) {
    return reject(
      "change.wrong-state",
      `an agent works on change ${change.changeId} (${attempt.ladder?.rung ?? attempt.role})`,
      `end it first with: canopy kill ${attempt.attemptId}`,
    );
  }
  return { type: "change", change };
}

/** The task is held by the change's attempt again, or somebody else has it and the change must stay aside. */
function reclaimTask(context: Context, change: Change): DecideAnswer | null {
  const task = selectTask(context.sql, change.taskId);
  if (task?.claim != null && task.claim.holder !== change.attemptId)
    return reject("task.already-claimed", `task #${task.number} is worked on by ${task.claim.holder}`);
  const done =
    task?.status === "closed"
      ? selectChangesByState(context.sql, "landed").find((other) => other.taskId === change.taskId)
      : undefined;
  if (done !== undefined) {
    return reject(
      "change.wrong-state",
      `change ${done.changeId} has landed for task #${task?.number ?? "?"} instead`,
      "to have this work too, reopen the task first",
    );
  }
  if (task !== undefined && task.claim === null && task.status !== "closed")
    claimTask(context, task, change.attemptId);
  return null;
}

const FRESH = {
  state: "queued",
  conflicts: [],
  reason: null,
  endedAtMs: null,
  work: null,
  lostLines: [],
  stuckOn: null,
  blockedBy: [],
} as const satisfies Partial<Change>;

/** Puts a change that stands aside back into the queue; the ladder's budgets start afresh. A short pause is lifted. */
export function decideRequeueChange(context: Context, command: Command<"change.requeue">): DecideAnswer {
  const found = findChange(context, command.changeId, ASIDE);
  if (found.type === "rejection") return found;
  const { change } = found;
  const refused = reclaimTask(context, change);
  if (refused !== null) return refused;
  updateChange(context, change, {
    ...FRESH,
    conflicts: [],
    lostLines: [],
    blockedBy: [],
    ladderFrom: change.ladder.length,
  });
  for (const pause of selectQueuePauses(context.sql)) {
    if (pause.integrationRef === change.integrationRef && pause.untilMs !== null)
      context.emit({ type: "queue.resumed", integrationRef: pause.integrationRef });
  }
  return accept({ changeId: change.changeId });
}

function setAside(
  context: Context,
  command: { readonly changeId: string; readonly reason: string },
  state: "abandoned" | "ejected" | "paused",
): DecideAnswer {
  const found = findChange(context, command.changeId, MOVABLE);
  if (found.type === "rejection") return found;
  const { change } = found;
  removeFromStack(context, change);
  const reason = command.reason === "" ? `${state} by ${context.actor.id}` : command.reason;
  updateChange(context, change, { state, reason, work: null, endedAtMs: context.nowMs });
  if (state === "paused") return accept({ changeId: change.changeId });
  const task = selectTask(context.sql, change.taskId);
  if (task?.claim?.holder === change.attemptId) releaseTask(context, task, "needs_input");
  return accept({ changeId: change.changeId });
}

/** Takes a change out of the queue for good; its work stays under its ref. */
export function decideAbandonChange(context: Context, command: Command<"change.abandon">): DecideAnswer {
  return setAside(context, command, "abandoned");
}

/** Takes a change out of the queue until somebody has it tried again. */
export function decideEjectChange(context: Context, command: Command<"change.eject">): DecideAnswer {
  return setAside(context, command, "ejected");
}

/** Holds one change back; its task stays its own. */
export function decidePauseChange(context: Context, command: Command<"change.pause">): DecideAnswer {
  return setAside(context, command, "paused");
}

/** A person's order goes before every score. */
export function decideReorderChange(context: Context, command: Command<"change.reorder">): DecideAnswer {
  const found = findChange(context, command.changeId, ["queued"]);
  if (found.type === "rejection") return found;
  const { change } = found;
  const others = selectQueueOrder(context.sql, context.nowMs).filter(
    (other) => other.changeId !== change.changeId && other.integrationRef === change.integrationRef,
  );
  const { to } = command;
  const boosts = others.map((other) => other.boost);
  if (to === "last") {
    updateChange(context, change, { boost: Math.min(0, ...boosts) - 1 });
    return accept({ changeId: change.changeId });
  }
  const at = to === "first" ? 0 : others.findIndex((other) => other.changeId === to.before);
  if (at === -1)
    return reject(
      "change.not-found",
      `change ${to === "first" ? "" : to.before} does not wait in this queue`,
    );
  const behind = Math.max(0, ...boosts.slice(at));
  const ahead = [...others.slice(0, at), change];
  for (const [index, moved] of ahead.entries())
    updateChange(context, moved, { boost: behind + ahead.length - index });
  return accept({ changeId: change.changeId });
}

/** A person resolved a change: its new work queues with everything forgotten that stood in the way. */
export function decideResolveChange(context: Context, command: Command<"change.resolve">): DecideAnswer {
  const found = findChange(context, command.changeId, ASIDE);
  if (found.type === "rejection") return found;
  const { change } = found;
  const refused = reclaimTask(context, change);
  if (refused !== null) return refused;
  const { commit, baseCommit, filesChanged, detail, paths } = command;
  const ladder = addStep(change, {
    rung: "person",
    outcome: "worked",
    attemptId: null,
    detail: `${context.actor.id}: ${detail}`,
    paths,
    costUsd: null,
    durationMs: 0,
    atMs: context.nowMs,
  });
  updateChange(context, change, {
    ...FRESH,
    conflicts: [],
    lostLines: [],
    blockedBy: [],
    commit,
    baseCommit,
    filesChanged,
    revision: change.revision + 1,
    ladder,
    ladderFrom: ladder.length,
  });
  return accept({ changeId: change.changeId });
}

/** A person accepts that a change takes lines of others away: it queues again and is not held up for that any more. */
export function decideAcceptLoss(context: Context, command: Command<"change.accept-loss">): DecideAnswer {
  const found = findChange(context, command.changeId, ["blocked"]);
  if (found.type === "rejection") return found;
  const { change } = found;
  if (change.lostLines.length === 0)
    return reject("change.wrong-state", `change ${change.changeId} takes nothing of others away`);
  const refused = reclaimTask(context, change);
  if (refused !== null) return refused;
  const task = selectTask(context.sql, change.taskId);
  if (task !== undefined)
    addComment(context, task, `ACCEPTED: ${change.reason ?? "lines of others go away"}`);
  updateChange(context, change, {
    ...FRESH,
    conflicts: [],
    lostLines: [],
    blockedBy: [],
    isLossAccepted: true,
  });
  return accept({ changeId: change.changeId });
}

/** Nothing lands on a branch until somebody resumes it; what is at work goes on to its end. */
export function decidePauseQueue(context: Context, command: Command<"queue.pause">): DecideAnswer {
  const { integrationRef } = command;
  const reason = command.reason === "" ? `paused by ${context.actor.id}` : command.reason;
  context.emit({ type: "queue.paused", integrationRef, untilMs: null, reason });
  return accept({ integrationRef });
}

/** Landing goes on, and what was blocked is tried again (not what would take lines of others away). */
export function decideResumeQueue(context: Context, command: Command<"queue.resume">): DecideAnswer {
  const { integrationRef } = command;
  if (selectQueuePauses(context.sql).some((pause) => pause.integrationRef === integrationRef))
    context.emit({ type: "queue.resumed", integrationRef });
  let requeuedCount = 0;
  for (const change of selectChangesByState(context.sql, "blocked")) {
    const isMeant =
      change.integrationRef === integrationRef &&
      change.blockedBy.length === 0 &&
      change.lostLines.length === 0;
    const task = selectTask(context.sql, change.taskId);
    const isTaken = task?.claim != null && task.claim.holder !== change.attemptId;
    if (!isMeant || isTaken || reclaimTask(context, change) !== null) continue;
    updateChange(context, change, {
      ...FRESH,
      conflicts: [],
      lostLines: [],
      blockedBy: [],
      ladderFrom: change.ladder.length,
    });
    requeuedCount += 1;
  }
  return accept({ integrationRef, requeuedCount });
}
