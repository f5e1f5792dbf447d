import type { Task } from "@canopy/protocol";
import type { Sql } from "../kernel/sql.ts";
import { readText } from "../kernel/sql.ts";

const PRIORITY_WEIGHT = 1000;
const CRITICAL_PATH_WEIGHT = 100;
const RETRY_PENALTY = 50;
const AGE_POINTS_PER_MINUTE = 10;
const MAX_PATH = 50;

/**
 * For every task, the length of the longest chain of open tasks that waits for it. Reads all dependencies once; answers for
 * single tasks are worked out when asked for, and remembered.
 */
export function measureCriticalPaths(sql: Sql): (taskId: string) => number {
  const waiting = new Map<string, string[]>();
  const rows = sql.exec(
    `SELECT dependencies.task_id AS task_id, depends_on_id FROM dependencies
     JOIN tasks ON tasks.task_id = dependencies.task_id
     WHERE kind IN ('blocks', 'parent-child') AND tasks.status <> 'closed'`,
  );
  for (const row of rows) {
    const target = readText(row, "depends_on_id");
    const list = waiting.get(target);
    if (list === undefined) waiting.set(target, [readText(row, "task_id")]);
    else list.push(readText(row, "task_id"));
  }
  const known = new Map<string, number>();
  return (taskId) => measureFrom(taskId, waiting, known);
}

/** Depth first with a stack of its own: a chain may be longer than the program's. */
function measureFrom(
  start: string,
  waiting: ReadonlyMap<string, readonly string[]>,
  known: Map<string, number>,
): number {
  const stack = [start];
  const entered = new Set<string>();
  for (let taskId = stack.at(-1); taskId !== undefined; taskId = stack.at(-1)) {
    const dependents = waiting.get(taskId) ?? [];
    // What was entered and is not known yet lies above on the stack: a cycle in old data, which counts as nothing.
    const open = entered.has(taskId) ? [] : dependents.filter((id) => !known.has(id) && !entered.has(id));
    entered.add(taskId);
    if (open.length > 0) {
      stack.push(...open);
      continue;
    }
    stack.pop();
    const longest = Math.max(0, ...dependents.map((id) => 1 + (known.get(id) ?? 0)));
    known.set(taskId, Math.min(MAX_PATH, longest));
  }
  return known.get(start) ?? 0;
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
