import type { Task } from "@canopy/protocol";
import { formatTable, sanitizeLine } from "./format.ts";

/** A task as `--json` prints it. */
export function taskToJson(task: Task): Record<string, unknown> {
  const { taskId, taskType, claim, ...rest } = task;
  return { id: taskId, ...rest, type: taskType, claimedBy: claim?.holder ?? null };
}

/** Tasks as a table for people. */
export function formatTasks(tasks: readonly Task[]): string {
  if (tasks.length === 0) return "no tasks";
  const rows = tasks.map((task) => [
    `#${task.number}`,
    task.taskId,
    `P${task.priority}`,
    task.taskType,
    task.status,
    sanitizeLine(task.title) +
      (task.labels.length > 0 ? `  [${task.labels.map((label) => sanitizeLine(label)).join(", ")}]` : ""),
  ]);
  return formatTable(["NO", "ID", "PRIO", "TYPE", "STATUS", "TITLE"], rows);
}
