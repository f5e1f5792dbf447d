import type { Comment, Dependency, Task, TaskId, TaskStatus } from "@canopy/protocol";
import { dependencyKindSchema } from "@canopy/protocol";
import { selectPutOff } from "../board/board-rows.ts";
import type { Sql, SqlRow } from "../kernel/sql.ts";
import { parseColumn, readNumber, readText } from "../kernel/sql.ts";

/** Kinds of dependency that hold a task back. */
export const HOLDING_KINDS: ReadonlySet<string> = new Set(["blocks", "parent-child"]);

/** Which tasks to list. Absent fields do not restrict. */
export interface TaskQuery {
  readonly statuses?: readonly TaskStatus[];
  readonly taskType?: string;
  readonly label?: string;
  readonly assignee?: string;
  readonly limit?: number;
}

/** One task by id, or undefined. */
export function selectTask(sql: Sql, taskId: string): Task | undefined {
  const [row] = sql.exec("SELECT value FROM tasks WHERE task_id = ?", taskId);
  return row === undefined ? undefined : parseColumn<Task>(row, "value");
}

/** Tasks by number, lowest first. */
export function selectTasks(sql: Sql, query: TaskQuery = {}): Task[] {
  const wanted = query.statuses === undefined ? null : new Set<string>(query.statuses);
  const tasks: Task[] = [];
  for (const row of sql.exec("SELECT status, value FROM tasks ORDER BY number")) {
    if (wanted !== null && !wanted.has(readText(row, "status"))) continue;
    const task = parseColumn<Task>(row, "value");
    if (query.taskType !== undefined && task.taskType !== query.taskType) continue;
    if (query.label !== undefined && !task.labels.includes(query.label)) continue;
    if (query.assignee !== undefined && task.assignee !== query.assignee) continue;
    tasks.push(task);
    if (query.limit !== undefined && tasks.length >= query.limit) break;
  }
  return tasks;
}

/** Tasks in one state, by number. Uses the index, so it costs what it finds. */
export function selectTasksByStatus(sql: Sql, status: TaskStatus): Task[] {
  return sql
    .exec("SELECT value FROM tasks WHERE status = ? ORDER BY number", status)
    .map((row) => parseColumn<Task>(row, "value"));
}

function parseDependencyRow(row: SqlRow): Dependency {
  return {
    taskId: readText(row, "task_id") as TaskId,
    dependsOnId: readText(row, "depends_on_id") as TaskId,
    kind: dependencyKindSchema.parse(readText(row, "kind")),
  };
}

/** Every dependency of the project. */
export function selectDependencies(sql: Sql): Dependency[] {
  return sql
    .exec("SELECT * FROM dependencies ORDER BY task_id, depends_on_id")
    .map((row) => parseDependencyRow(row));
}

/** What a task depends on. */
export function selectDependenciesOf(sql: Sql, taskId: string): Dependency[] {
  return sql
    .exec("SELECT * FROM dependencies WHERE task_id = ? ORDER BY depends_on_id", taskId)
    .map((row) => parseDependencyRow(row));
}

/** What depends on a task. */
export function selectDependentsOf(sql: Sql, taskId: string): Dependency[] {
  return sql
    .exec("SELECT * FROM dependencies WHERE depends_on_id = ? ORDER BY task_id", taskId)
    .map((row) => parseDependencyRow(row));
}

/** Remarks on a task, oldest first. */
export function selectComments(sql: Sql, taskId: string): Comment[] {
  return sql
    .exec("SELECT value FROM comments WHERE task_id = ? ORDER BY at_ms, comment_id", taskId)
    .map((row) => parseColumn<Comment>(row, "value"));
}

/** The number that the next task gets. */
export function selectNextTaskNumber(sql: Sql): number {
  const [row] = sql.exec("SELECT COALESCE(MAX(number), 0) + 1 AS next FROM tasks");
  return row === undefined ? 1 : readNumber(row, "next");
}

/** The task with an external reference, or undefined. */
export function selectTaskByReference(sql: Sql, externalReference: string): Task | undefined {
  const [row] = sql.exec("SELECT value FROM tasks WHERE external_reference = ?", externalReference);
  return row === undefined ? undefined : parseColumn<Task>(row, "value");
}

/**
 * Open tasks that `taskId` waits for: its own `blocks` dependencies, and those of every parent above it (a child of a
 * blocked epic waits with the epic).
 */
export function selectOpenBlockers(sql: Sql, taskId: string): Task[] {
  const blockers = new Map<string, Task>();
  const seen = new Set<string>();
  const pending = [taskId];
  for (let current = pending.pop(); current !== undefined; current = pending.pop()) {
    if (seen.has(current)) continue;
    seen.add(current);
    for (const dependency of selectDependenciesOf(sql, current)) {
      if (dependency.kind === "parent-child") pending.push(dependency.dependsOnId);
      if (dependency.kind !== "blocks") continue;
      const target = selectTask(sql, dependency.dependsOnId);
      if (target !== undefined && target.status !== "closed") blockers.set(target.taskId, target);
    }
  }
  return [...blockers.values()].sort((left, right) => left.number - right.number);
}

/** Tasks that could be started now: open, unclaimed, not put off, nothing open in their way. By number. */
export function selectReadyTasks(sql: Sql, nowMs: number): Task[] {
  const putOff = selectPutOff(sql, nowMs);
  // The database leaves out what waits for a task of its own; only children must look further up, to their parents.
  const rows = sql.exec(
    `SELECT value, EXISTS (SELECT 1 FROM dependencies AS above
         WHERE above.task_id = waiting.task_id AND above.kind = 'parent-child') AS has_parent
     FROM tasks AS waiting
     WHERE status = 'open' AND NOT EXISTS (
       SELECT 1 FROM dependencies JOIN tasks AS blocker ON blocker.task_id = dependencies.depends_on_id
       WHERE dependencies.task_id = waiting.task_id AND dependencies.kind = 'blocks' AND blocker.status <> 'closed')
     ORDER BY number`,
  );
  const ready: Task[] = [];
  for (const row of rows) {
    const task = parseColumn<Task>(row, "value");
    if (task.claim !== null || putOff.has(task.taskId)) continue;
    if (readNumber(row, "has_parent") === 1 && selectOpenBlockers(sql, task.taskId).length > 0) continue;
    ready.push(task);
  }
  return ready;
}
