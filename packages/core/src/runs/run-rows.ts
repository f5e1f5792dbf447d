import type { Attempt, AttemptState, Change, FailureCause, Hold, ProjectEvent, Run } from "@canopy/protocol";
import type { Migration, Sql } from "../kernel/sql.ts";
import { parseColumn, readNumber, readText } from "../kernel/sql.ts";
import type { Projections } from "../kernel/room-definition.ts";
import { clearTimer, setTimer } from "../kernel/timers.ts";

/** Tables of runs, attempts, holds and failure counters. */
export const RUN_MIGRATIONS: readonly Migration[] = [
  {
    id: "runs-1",
    statements: [
      "CREATE TABLE runs (run_id TEXT PRIMARY KEY, state TEXT NOT NULL, started_at_ms INTEGER NOT NULL, value TEXT NOT NULL)",
      "CREATE INDEX runs_by_state ON runs (state)",
      "CREATE INDEX runs_by_start ON runs (started_at_ms)",
      `CREATE TABLE attempts (attempt_id TEXT PRIMARY KEY, task_id TEXT NOT NULL, run_id TEXT NOT NULL,
        state TEXT NOT NULL, number INTEGER NOT NULL, value TEXT NOT NULL)`,
      "CREATE INDEX attempts_by_task ON attempts (task_id, number)",
      "CREATE INDEX attempts_by_run ON attempts (run_id)",
      "CREATE INDEX attempts_by_state ON attempts (state)",
      `CREATE TABLE holds (task_id TEXT NOT NULL, run_id TEXT NOT NULL, value TEXT NOT NULL,
        PRIMARY KEY (task_id, run_id)) WITHOUT ROWID`,
      "CREATE TABLE failures (task_id TEXT NOT NULL, cause TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (task_id, cause)) WITHOUT ROWID",
    ],
  },
];

/** The tables that replay rebuilds. */
export const RUN_TABLES: readonly string[] = ["runs", "attempts", "holds", "failures"];

/** States of a run that still start, end or land work. */
export const ACTIVE_RUN_STATES: readonly Run["state"][] = ["running", "draining", "stopping"];

/** One run, or undefined. */
export function selectRun(sql: Sql, runId: string): Run | undefined {
  const [row] = sql.exec("SELECT value FROM runs WHERE run_id = ?", runId);
  return row === undefined ? undefined : parseColumn<Run>(row, "value");
}

/** Runs that are not over, oldest first. */
export function selectActiveRuns(sql: Sql): Run[] {
  return sql
    .exec(
      "SELECT value FROM runs WHERE state IN ('running', 'draining', 'stopping') ORDER BY started_at_ms, run_id",
    )
    .map((row) => parseColumn<Run>(row, "value"));
}

/** Runs newest first. */
export function selectRuns(
  sql: Sql,
  options: { readonly sinceMs?: number; readonly limit?: number } = {},
): Run[] {
  return sql
    .exec(
      "SELECT value FROM runs WHERE started_at_ms >= ? ORDER BY started_at_ms DESC, run_id DESC LIMIT ?",
      options.sinceMs ?? 0,
      options.limit ?? 1000,
    )
    .map((row) => parseColumn<Run>(row, "value"));
}

/** One attempt, or undefined. */
export function selectAttempt(sql: Sql, attemptId: string): Attempt | undefined {
  const [row] = sql.exec("SELECT value FROM attempts WHERE attempt_id = ?", attemptId);
  return row === undefined ? undefined : parseColumn<Attempt>(row, "value");
}

/** Attempts of a task, first try first. */
export function selectAttemptsOfTask(sql: Sql, taskId: string): Attempt[] {
  return sql
    .exec("SELECT value FROM attempts WHERE task_id = ? ORDER BY number", taskId)
    .map((row) => parseColumn<Attempt>(row, "value"));
}

/** Attempts of a run, in the order they were queued. */
export function selectAttemptsOfRun(sql: Sql, runId: string): Attempt[] {
  return sql
    .exec("SELECT value FROM attempts WHERE run_id = ? ORDER BY attempt_id", runId)
    .map((row) => parseColumn<Attempt>(row, "value"));
}

/** Attempts that are queued or running, of all runs. */
export function selectActiveAttempts(sql: Sql): Attempt[] {
  return sql
    .exec("SELECT value FROM attempts WHERE state IN ('queued', 'running') ORDER BY attempt_id")
    .map((row) => parseColumn<Attempt>(row, "value"));
}

/** The last attempt of a task when it was cut off at work by something that is nobody's fault, else null. */
export function selectCutOffAttempt(sql: Sql, taskId: string): Attempt | null {
  const last = selectAttemptsOfTask(sql, taskId).at(-1);
  if (last === undefined || last.ladder != null) return null;
  return last.state === "interrupted" && last.startedAtMs !== null ? last : null;
}

/** How many tries a task has had. */
export function countAttempts(sql: Sql, taskId: string): number {
  const [row] = sql.exec("SELECT COUNT(*) AS count FROM attempts WHERE task_id = ?", taskId);
  return row === undefined ? 0 : readNumber(row, "count");
}

/** How many tries each task that had any has had. */
export function countAttemptsByTask(sql: Sql): ReadonlyMap<string, number> {
  const rows = sql.exec("SELECT task_id, COUNT(*) AS count FROM attempts GROUP BY task_id");
  return new Map(rows.map((row) => [readText(row, "task_id"), readNumber(row, "count")]));
}

/** Every hold. */
export function selectHolds(sql: Sql): Hold[] {
  return sql
    .exec("SELECT value FROM holds ORDER BY task_id, run_id")
    .map((row) => parseColumn<Hold>(row, "value"));
}

/** Holds that keep a task from one run: its own and the general one. */
export function selectHoldsOfTask(sql: Sql, taskId: string, runId: string): Hold[] {
  return sql
    .exec("SELECT value FROM holds WHERE task_id = ? AND run_id IN ('', ?)", taskId, runId)
    .map((row) => parseColumn<Hold>(row, "value"));
}

/** How often a task failed for a cause since it was last reopened; durable over restarts. */
export function selectFailureCount(sql: Sql, taskId: string, cause: FailureCause): number {
  const [row] = sql.exec("SELECT count FROM failures WHERE task_id = ? AND cause = ?", taskId, cause);
  return row === undefined ? 0 : readNumber(row, "count");
}

function writeRun(sql: Sql, { run }: { readonly run: Run }): void {
  sql.exec(
    `INSERT INTO runs (run_id, state, started_at_ms, value) VALUES (?, ?, ?, ?)
     ON CONFLICT (run_id) DO UPDATE SET state = excluded.state, value = excluded.value`,
    run.runId,
    run.state,
    run.startedAtMs,
    JSON.stringify(run),
  );
}

function writeAttempt(sql: Sql, { attempt }: { readonly attempt: Attempt }): void {
  sql.exec(
    `INSERT INTO attempts (attempt_id, task_id, run_id, state, number, value) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (attempt_id) DO UPDATE SET state = excluded.state, value = excluded.value`,
    attempt.attemptId,
    attempt.taskId,
    attempt.runId,
    attempt.state,
    attempt.number,
    JSON.stringify(attempt),
  );
}

function countFailure(sql: Sql, taskId: string, cause: FailureCause): void {
  sql.exec(
    `INSERT INTO failures (task_id, cause, count) VALUES (?, ?, 1)
     ON CONFLICT (task_id, cause) DO UPDATE SET count = count + 1`,
    taskId,
    cause,
  );
}

/** A stuck change counts as a failure of its task once nothing works on it any more. */
function countStuck(sql: Sql, change: Change, cause: FailureCause): void {
  if (change.work == null) countFailure(sql, change.taskId, cause);
}

/** Name of the timer that lifts a hold. */
function holdTimer(taskId: string, runId: string | null): string {
  return `hold:${taskId}:${runId ?? ""}`;
}

/** True when an attempt is over. */
export function isFinal(state: AttemptState): boolean {
  return state !== "queued" && state !== "running";
}

/** Tables of runs from events. */
export const RUN_PROJECTIONS: Projections<ProjectEvent> = {
  "run.started": writeRun,
  "run.updated": writeRun,
  "run.finished": (sql, { run }) => {
    writeRun(sql, { run });
    for (const hold of selectHolds(sql)) {
      if (hold.runId === run.runId) clearTimer(sql, holdTimer(hold.taskId, hold.runId));
    }
    sql.exec("DELETE FROM holds WHERE run_id = ?", run.runId);
  },
  "attempt.queued": writeAttempt,
  "attempt.started": writeAttempt,
  "attempt.updated": writeAttempt,
  "attempt.ended": (sql, { attempt }) => {
    writeAttempt(sql, { attempt });
    // What goes wrong while a stuck change is worked on counts in that change's own budgets.
    const isOwnWork = attempt.ladder == null;
    if (attempt.failure !== null && isOwnWork) countFailure(sql, attempt.taskId, attempt.failure.cause);
  },
  "hold.placed": (sql, { hold }) => {
    sql.exec(
      "INSERT OR REPLACE INTO holds (task_id, run_id, value) VALUES (?, ?, ?)",
      hold.taskId,
      hold.runId ?? "",
      JSON.stringify(hold),
    );
    const timer = holdTimer(hold.taskId, hold.runId);
    if (hold.untilMs === null) clearTimer(sql, timer);
    else setTimer(sql, timer, hold.untilMs);
  },
  "hold.lifted": (sql, { taskId, runId }) => {
    if (runId !== null) {
      sql.exec("DELETE FROM holds WHERE task_id = ? AND run_id = ?", taskId, runId);
      clearTimer(sql, holdTimer(taskId, runId));
      return;
    }
    // Lifted for all runs: the task starts afresh, its failures forgotten.
    for (const hold of selectHolds(sql)) {
      if (hold.taskId === taskId) clearTimer(sql, holdTimer(taskId, hold.runId));
    }
    sql.exec("DELETE FROM holds WHERE task_id = ?", taskId);
    sql.exec("DELETE FROM failures WHERE task_id = ?", taskId);
  },
  "task.closed": (sql, { task }) => {
    sql.exec("DELETE FROM failures WHERE task_id = ?", task.taskId);
  },
  "change.conflicted": (sql, { change }) => countStuck(sql, change, "conflict"),
  "change.failing": (sql, { change }) => countStuck(sql, change, "validation"),
};
