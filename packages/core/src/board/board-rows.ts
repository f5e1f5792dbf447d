import type { IssueExtras, Task, TaskId } from "@canopy/protocol";
import type { Sql } from "../kernel/sql.ts";
import { parseColumn, readText } from "../kernel/sql.ts";
import { parseIssueTime } from "./issue-time.ts";

const IMPORTED = "bd:";

/** What stands before the numbers of issues; null until it is fixed. */
export function selectPrefix(sql: Sql): string | null {
  const [row] = sql.exec("SELECT prefix FROM board WHERE id = 1");
  return row === undefined ? null : readText(row, "prefix");
}

/** What an issue has beside its task; of a task without anything, what stands for nothing. */
export function selectExtras(sql: Sql, taskId: TaskId): IssueExtras {
  const [row] = sql.exec("SELECT value FROM issues WHERE task_id = ?", taskId);
  return row === undefined ? emptyExtras(taskId) : parseColumn<IssueExtras>(row, "value");
}

/** What all issues have beside their tasks, by task. */
export function selectAllExtras(sql: Sql): ReadonlyMap<string, IssueExtras> {
  const rows = sql.exec("SELECT task_id, value FROM issues");
  return new Map(rows.map((row) => [readText(row, "task_id"), parseColumn<IssueExtras>(row, "value")]));
}

/** Tasks that are put off to a time that has not come. */
export function selectPutOff(sql: Sql, nowMs: number): ReadonlySet<string> {
  const rows = sql.exec("SELECT task_id FROM issues WHERE defer_until_ms > ?", nowMs);
  return new Set(rows.map((row) => readText(row, "task_id")));
}

/** The time that an issue is put off to, or null. */
export function readDeferral(extras: IssueExtras | undefined): number | null {
  const until = extras?.fields["defer_until"];
  return typeof until === "string" ? parseIssueTime(until) : null;
}

/** An issue that has nothing beside its task. */
export function emptyExtras(taskId: TaskId): IssueExtras {
  return { taskId, issueId: null, status: null, fields: {}, times: {}, links: [], comments: {} };
}

/** The id under which `bd` knows a task: its own, the one it was imported under, else prefix and number. */
export function issueIdOf(task: Task, extras: IssueExtras | undefined, prefix: string | null): string {
  const own = extras?.issueId ?? null;
  if (own !== null) return own;
  const reference = task.externalReference;
  if (reference?.startsWith(IMPORTED) === true) return reference.slice(IMPORTED.length);
  return `${prefix ?? "task"}-${task.number}`;
}

/** The number in `PREFIX-NUMBER`, or null when the id is not of that form. */
export function readOwnNumber(id: string, prefix: string | null): number | null {
  const digits = prefix !== null && id.startsWith(`${prefix}-`) ? id.slice(prefix.length + 1) : "";
  return /^[1-9]\d{0,8}$/.test(digits) ? Number(digits) : null;
}

function selectByNumber(sql: Sql, number: number): Task | undefined {
  const [row] = sql.exec("SELECT value FROM tasks WHERE number = ?", number);
  return row === undefined ? undefined : parseColumn<Task>(row, "value");
}

/** The one task that has exactly this id as an issue, or undefined. */
export function selectTaskByIssueId(sql: Sql, id: string): Task | undefined {
  const [own] = sql.exec(
    "SELECT tasks.value FROM issues JOIN tasks ON tasks.task_id = issues.task_id WHERE issue_id = ?",
    id,
  );
  if (own !== undefined) return parseColumn<Task>(own, "value");
  const [imported] = sql.exec("SELECT value FROM tasks WHERE external_reference = ?", `${IMPORTED}${id}`);
  if (imported !== undefined) return parseColumn<Task>(imported, "value");
  const prefix = selectPrefix(sql);
  const number = readOwnNumber(id, prefix);
  const task = number === null ? undefined : selectByNumber(sql, number);
  return task !== undefined && issueIdOf(task, selectExtras(sql, task.taskId), prefix) === id
    ? task
    : undefined;
}

/**
 * Like `selectTaskByIssueId`, also for `bd:ID`; finds also a task with an id of its own by `PREFIX-NUMBER`, when nobody
 * has that id.
 */
export function findIssue(sql: Sql, reference: string): Task | undefined {
  const id = reference.startsWith(IMPORTED) ? reference.slice(IMPORTED.length) : reference;
  const exact = selectTaskByIssueId(sql, id);
  if (exact !== undefined) return exact;
  const number = readOwnNumber(id, selectPrefix(sql));
  return number === null ? undefined : selectByNumber(sql, number);
}
