import type { FlakyStep, Overlap, ProjectEvent, Stack, Trial } from "@canopy/protocol";
import type { Projections } from "../kernel/room-definition.ts";
import type { Sql } from "../kernel/sql.ts";
import { parseColumn, readNumber, readText } from "../kernel/sql.ts";

/** Every lane's stack, by branch and lane. */
export function selectStacks(sql: Sql): Stack[] {
  return sql
    .exec("SELECT value FROM stacks ORDER BY integration_ref, lane")
    .map((row) => parseColumn<Stack>(row, "value"));
}

/** The stack of one lane, or undefined when nothing was built in it yet. */
export function selectStack(sql: Sql, integrationRef: string, lane: string): Stack | undefined {
  const [row] = sql.exec(
    "SELECT value FROM stacks WHERE integration_ref = ? AND lane = ?",
    integrationRef,
    lane,
  );
  return row === undefined ? undefined : parseColumn<Stack>(row, "value");
}

/** Validations that are queued or at work. */
export function selectTrials(sql: Sql): Trial[] {
  return sql.exec("SELECT value FROM trials ORDER BY job_id").map((row) => parseColumn<Trial>(row, "value"));
}

/** The validation that a job is for, or undefined. */
export function selectTrial(sql: Sql, jobId: string): Trial | undefined {
  const [row] = sql.exec("SELECT value FROM trials WHERE job_id = ?", jobId);
  return row === undefined ? undefined : parseColumn<Trial>(row, "value");
}

/** The ledger of steps that failed and then passed on the same tree, most often first. */
export function selectFlakySteps(sql: Sql): FlakyStep[] {
  return sql.exec("SELECT step, count, last_at_ms FROM flaky_steps ORDER BY count DESC, step").map((row) => ({
    step: readText(row, "step"),
    count: readNumber(row, "count"),
    lastAtMs: readNumber(row, "last_at_ms"),
  }));
}

/** Where the work of running sessions meets, by session. */
export function selectOverlaps(sql: Sql): Overlap[] {
  return sql
    .exec("SELECT value FROM overlaps ORDER BY attempt_id")
    .flatMap((row) => parseColumn<Overlap[]>(row, "value"));
}

/** The overlaps of one running session. */
export function selectOverlapsOf(sql: Sql, attemptId: string): Overlap[] {
  const [row] = sql.exec("SELECT value FROM overlaps WHERE attempt_id = ?", attemptId);
  return row === undefined ? [] : parseColumn<Overlap[]>(row, "value");
}

/** Counts one more time that a step was flaky. Called from projections only. */
export function countFlakyStep(sql: Sql, step: string, atMs: number): void {
  sql.exec(
    `INSERT INTO flaky_steps (step, count, last_at_ms) VALUES (?, 1, ?)
     ON CONFLICT (step) DO UPDATE SET count = count + 1, last_at_ms = excluded.last_at_ms`,
    step,
    atMs,
  );
}

/** Tables of stacks, trials and overlaps from events. */
export const STACK_PROJECTIONS: Projections<ProjectEvent> = {
  "stack.changed": (sql, { stack }) => {
    sql.exec(
      "INSERT OR REPLACE INTO stacks (integration_ref, lane, value) VALUES (?, ?, ?)",
      stack.integrationRef,
      stack.lane,
      JSON.stringify(stack),
    );
  },
  "trial.queued": (sql, { trial }) => {
    sql.exec(
      "INSERT OR REPLACE INTO trials (job_id, validation_key, value) VALUES (?, ?, ?)",
      trial.jobId,
      trial.key,
      JSON.stringify(trial),
    );
  },
  "job.completed": (sql, { job }) => {
    sql.exec("DELETE FROM trials WHERE job_id = ?", job.jobId);
  },
  "radar.changed": (sql, { attemptId, overlaps }) => {
    if (overlaps.length === 0) sql.exec("DELETE FROM overlaps WHERE attempt_id = ?", attemptId);
    else {
      sql.exec(
        "INSERT OR REPLACE INTO overlaps (attempt_id, value) VALUES (?, ?)",
        attemptId,
        JSON.stringify(overlaps),
      );
    }
  },
  "attempt.ended": (sql, { attempt }) => {
    sql.exec("DELETE FROM overlaps WHERE attempt_id = ?", attempt.attemptId);
  },
};
