import type { Task } from "@canopy/protocol";
import type { Sql } from "../kernel/sql.ts";
import { HOLDING_KINDS, selectDependentsOf, selectTask } from "../tasks/select-tasks.ts";

const PRIORITY_WEIGHT = 1000;
const CRITICAL_PATH_WEIGHT = 100;
const RETRY_PENALTY = 50;
const AGE_POINTS_PER_MINUTE = 10;
const MAX_PATH = 50;

/** Length of the longest chain of open tasks that waits for this one. */
export function measureCriticalPath(
  sql: Sql,
  taskId: string,
  known: Map<string, number> = new Map(),
): number {
  const cached = known.get(taskId);
  if (cached !== undefined) return cached;
  // Set before the descent, so that a cycle in old data ends.
  known.set(taskId, 0);
  let longest = 0;
  for (const dependent of selectDependentsOf(sql, taskId)) {
    if (!HOLDING_KINDS.has(dependent.kind)) continue;
    const task = selectTask(sql, dependent.taskId);
    if (task === undefined || task.status === "closed") continue;
    longest = Math.max(longest, 1 + measureCriticalPath(sql, task.taskId, known));
  }
  const length = Math.min(MAX_PATH, longest);
  known.set(taskId, length);
  return length;
}

/** What scoreTask weighs. */
export interface ScoreInput {
  readonly task: Pick<Task, "priority" | "createdAtMs">;
  readonly criticalPath: number;
  readonly failureCount: number;
  readonly nowMs: number;
}

/**
 * How soon a ready task should run; higher is sooner. Priority first, then how much waits behind it, then age. Age has
 * no bound, so whatever comes later, a waiting task overtakes it in the end: nothing starves.
 */
export function scoreTask({ task, criticalPath, failureCount, nowMs }: ScoreInput): number {
  const ageMinutes = Math.max(0, nowMs - task.createdAtMs) / 60_000;
  return (
    (4 - task.priority) * PRIORITY_WEIGHT +
    criticalPath * CRITICAL_PATH_WEIGHT +
    ageMinutes * AGE_POINTS_PER_MINUTE -
    failureCount * RETRY_PENALTY
  );
}
