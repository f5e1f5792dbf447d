import type { ProjectEvent, Task } from "@canopy/protocol";
import type { DecideContext } from "../kernel/room-definition.ts";

/** A task as it is when nothing but its number and title was said: open, unclaimed, by whoever asks, now. */
export function createBlankTask(
  context: DecideContext<ProjectEvent>,
  { number, title }: Pick<Task, "number" | "title">,
): Task {
  return {
    taskId: context.newId("task"),
    number,
    title,
    description: "",
    taskType: "task",
    priority: 2,
    labels: [],
    assignee: null,
    status: "open",
    claim: null,
    externalReference: null,
    timeoutMs: null,
    agent: null,
    model: null,
    createdBy: context.actor.id,
    createdAtMs: context.nowMs,
    updatedAtMs: context.nowMs,
    closedAtMs: null,
    closeReason: null,
  };
}
