import type { Change, ProjectCommand, ProjectEvent } from "@canopy/protocol";
import { reject } from "@canopy/protocol";
import type { DecideAnswer, DecideContext, RoomFeature } from "../kernel/room-definition.ts";
import { accept } from "../kernel/room-definition.ts";
import { queueJob } from "../jobs/job-feature.ts";
import { claimTask, releaseTask } from "../tasks/decide-task.ts";
import { selectTask } from "../tasks/select-tasks.ts";
import {
  QUEUE_MIGRATIONS,
  QUEUE_PROJECTIONS,
  QUEUE_TABLES,
  selectChange,
  selectChangesInLanding,
  selectChangesByState,
  selectQueuePause,
} from "./change-rows.ts";
import {
  decideFailLanding,
  decideFinishLanding,
  decideIntendLanding,
  decideRecordValidation,
  decideTestLanding,
} from "./decide-landing.ts";

type Context = DecideContext<ProjectEvent>;
type Command<T extends ProjectCommand["type"]> = Extract<ProjectCommand, { type: T }>;

const MAX_BATCH = 64;

/** Hands queued changes to a landing job: one job a branch at a time, in queue order. */
function reactToQueue(context: Context): void {
  const queued = selectChangesByState(context.sql, "queued");
  if (queued.length === 0) return;
  const busy = new Set(selectChangesInLanding(context.sql).map((change) => change.integrationRef));
  const batches = new Map<string, Change[]>();
  for (const change of queued) {
    if (busy.has(change.integrationRef) || selectQueuePause(context.sql, change.integrationRef) !== null)
      continue;
    const batch = batches.get(change.integrationRef) ?? [];
    batches.set(change.integrationRef, batch);
    if (batch.length < MAX_BATCH) batch.push(change);
  }
  for (const batch of batches.values()) {
    for (const change of batch)
      context.emit({ type: "change.updated", change: { ...change, state: "landing" } });
    queueJob(
      context,
      "land",
      batch.map((change) => change.changeId),
    );
  }
}

/** Puts a conflicted or blocked change back into the queue, for example after the branch changed; lifts a pause. */
function decideRequeueChange(context: Context, command: Command<"change.requeue">): DecideAnswer {
  const change = selectChange(context.sql, command.changeId);
  if (change === undefined) return reject("change.not-found", `no change ${command.changeId}`);
  if (change.state === "landed" || change.state === "landing" || change.state === "testing") {
    return reject("change.wrong-state", `change ${change.changeId} is ${change.state}`);
  }
  const task = selectTask(context.sql, change.taskId);
  if (task?.claim != null && task.claim.holder !== change.attemptId) {
    return reject("task.already-claimed", `task #${task.number} is worked on by ${task.claim.holder}`);
  }
  if (task !== undefined && task.claim === null && task.status !== "closed")
    claimTask(context, task, change.attemptId);
  const requeued: Change = { ...change, state: "queued", conflicts: [], reason: null, endedAtMs: null };
  context.emit({ type: "change.updated", change: requeued });
  if (selectQueuePause(context.sql, change.integrationRef) !== null) {
    context.emit({ type: "queue.resumed", integrationRef: change.integrationRef });
  }
  return accept({ changeId: change.changeId });
}

/** Takes a change out of the queue for good; its work stays under its ref. */
function decideAbandonChange(context: Context, command: Command<"change.abandon">): DecideAnswer {
  const change = selectChange(context.sql, command.changeId);
  if (change === undefined) return reject("change.not-found", `no change ${command.changeId}`);
  if (change.state === "landed" || change.state === "landing" || change.state === "testing") {
    return reject("change.wrong-state", `change ${change.changeId} is ${change.state}`);
  }
  const reason = command.reason === "" ? `abandoned by ${context.actor.id}` : command.reason;
  context.emit({
    type: "change.updated",
    change: { ...change, state: "abandoned", reason, endedAtMs: context.nowMs },
  });
  const task = selectTask(context.sql, change.taskId);
  if (task?.claim?.holder === change.attemptId) releaseTask(context, task, "needs_input");
  return accept({ changeId: change.changeId });
}

/** The merge queue: changes, landing jobs, intents and pauses. */
export const queueFeature: RoomFeature<ProjectCommand, ProjectEvent> = {
  name: "merge-queue",
  migrations: QUEUE_MIGRATIONS,
  tables: QUEUE_TABLES,
  decide: {
    "landing.test": decideTestLanding,
    "validation.record": decideRecordValidation,
    "landing.intend": decideIntendLanding,
    "landing.finish": decideFinishLanding,
    "landing.fail": decideFailLanding,
    "change.requeue": decideRequeueChange,
    "change.abandon": decideAbandonChange,
  },
  project: QUEUE_PROJECTIONS,
  timers: {
    queue: (context, key) => {
      context.emit({ type: "queue.resumed", integrationRef: key.slice("queue:".length) });
    },
  },
  react: reactToQueue,
};
