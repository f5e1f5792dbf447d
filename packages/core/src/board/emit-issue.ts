import type { IssueExtras, ProjectEvent, Rejection, Task } from "@canopy/protocol";
import { reject } from "@canopy/protocol";
import type { DecideContext } from "../kernel/room-definition.ts";
import { selectAttempt } from "../runs/run-rows.ts";
import { selectExtras } from "./board-rows.ts";

type Context = DecideContext<ProjectEvent>;

/** Who holds an issue that is in progress without anybody's name. */
export const UNNAMED_HOLDER = "nobody";

/** True while a run of this room has the task: its agent works on it, or its change is on the way. */
export function isAtWork(context: Context, task: Task): boolean {
  const holder = task.claim?.holder ?? "";
  return holder.startsWith("att_") && selectAttempt(context.sql, holder) !== undefined;
}

/** Refuses what would take a task from an agent of a run. */
export function rejectAtWork(task: Task): Rejection {
  return reject(
    "task.already-claimed",
    `an agent works on task #${task.number}`,
    `end it first with: canopy kill ${task.number}`,
  );
}

function eventType(
  before: Task,
  after: Task,
): "task.closed" | "task.reopened" | "task.claimed" | "task.released" | "task.updated" {
  const wasClosed = before.status === "closed";
  const isClosed = after.status === "closed";
  if (isClosed !== wasClosed) return isClosed ? "task.closed" : "task.reopened";
  if (before.claim === null && after.claim !== null) return "task.claimed";
  if (before.claim !== null && after.claim === null) return "task.released";
  return "task.updated";
}

function isSame(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

/** Emits a changed task by what happened to it; one that only has another `updatedAtMs` is left alone. */
export function emitTask(context: Context, before: Task, after: Task): boolean {
  if (isSame({ ...before, updatedAtMs: 0 }, { ...after, updatedAtMs: 0 })) return false;
  context.emit({ type: eventType(before, after), task: after });
  if (before.status !== "open" && after.status === "open") {
    context.emit({ type: "hold.lifted", taskId: after.taskId, runId: null });
  }
  return true;
}

/** Emits what an issue has beside its task, when it changed. */
export function emitExtras(context: Context, extras: IssueExtras): boolean {
  if (isSame(selectExtras(context.sql, extras.taskId), extras)) return false;
  context.emit({ type: "issue.changed", extras });
  return true;
}
