import type { RunOptions, Task } from "@canopy/protocol";

/** Matches a label against a pattern in which `*` stands for any characters. */
export function matchesLabel(pattern: string, label: string): boolean {
  if (!pattern.includes("*")) return pattern === label;
  const source = pattern
    .split("*")
    .map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`))
    .join(".*");
  return new RegExp(`^${source}$`, "u").test(label);
}

function hasLabelLike(task: Task, patterns: readonly string[]): string | undefined {
  return task.labels.find((label) => patterns.some((pattern) => matchesLabel(pattern, label)));
}

/** Why a run's filter passes a task over, in words, or null when it takes the task. */
export function explainFilter(task: Task, filter: RunOptions["filter"]): string | null {
  if (filter.taskIds.length > 0 && !filter.taskIds.includes(task.taskId))
    return "the run was asked for other tasks";
  if (filter.maxPriority !== null && task.priority > filter.maxPriority) {
    return `its priority ${task.priority} is beyond the run's --max-priority ${filter.maxPriority}`;
  }
  if (filter.types.length > 0 && !filter.types.includes(task.taskType)) {
    return `its type ${task.taskType} is not among the run's --type ${filter.types.join(", ")}`;
  }
  if (filter.excludeTypes.includes(task.taskType)) return `the run excludes tasks of type ${task.taskType}`;
  if (filter.labels.length > 0 && hasLabelLike(task, filter.labels) === undefined) {
    return `it has none of the run's --label ${filter.labels.join(", ")}`;
  }
  const excluded = hasLabelLike(task, filter.excludeLabels);
  if (excluded !== undefined) return `the run excludes its label ${excluded}`;
  if (filter.assignee !== null && task.assignee !== filter.assignee) {
    return `it is not assigned to ${filter.assignee}`;
  }
  return null;
}
