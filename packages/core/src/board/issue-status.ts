import type { IssueExtras, Task, TaskStatus } from "@canopy/protocol";

const STATUSES: Readonly<Record<string, TaskStatus>> = {
  open: "open",
  in_progress: "in_progress",
  needs_input: "needs_input",
  "needs-input": "needs_input",
  deferred: "deferred",
  closed: "closed",
  tombstone: "closed",
};

/** The state of a task that stands for a tracker's: one that tasks lack puts the task aside. */
export function readIssueStatus(text: string): {
  readonly status: TaskStatus;
  readonly extra: IssueExtras["status"];
} {
  const status = STATUSES[text] ?? "deferred";
  const isOurs = text === status || text === "needs-input";
  return { status, extra: isOurs ? null : { text, standsFor: status } };
}

/** The state as the tracker has it. */
export function showIssueStatus(task: Task, extras: IssueExtras | undefined): string {
  const extra = extras?.status ?? null;
  return extra !== null && extra.standsFor === task.status ? extra.text : task.status;
}
