import type { Migration, Sql } from "./sql.ts";
import { readNumber, readText } from "./sql.ts";

/** Table of the timers: rows, so that nothing is forgotten over a restart. */
export const TIMER_MIGRATIONS: readonly Migration[] = [
  {
    id: "timers-1",
    statements: [
      "CREATE TABLE timers (key TEXT PRIMARY KEY, due_at_ms INTEGER NOT NULL)",
      "CREATE INDEX timers_by_due ON timers (due_at_ms)",
    ],
  },
];

/** Sets or moves a timer. Called from projections only. */
export function setTimer(sql: Sql, key: string, dueAtMs: number): void {
  sql.exec(
    "INSERT INTO timers (key, due_at_ms) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET due_at_ms = excluded.due_at_ms",
    key,
    dueAtMs,
  );
}

/** Removes a timer; removing one that does not exist changes nothing. Called from projections only. */
export function clearTimer(sql: Sql, key: string): void {
  sql.exec("DELETE FROM timers WHERE key = ?", key);
}

/** When the earliest timer is due, or null when there is none. */
export function selectNextDueMs(sql: Sql): number | null {
  const [row] = sql.exec("SELECT due_at_ms FROM timers ORDER BY due_at_ms LIMIT 1");
  return row === undefined ? null : readNumber(row, "due_at_ms");
}

/** Keys of the timers that are due, earliest first, at most `limit`. */
export function selectDueTimers(sql: Sql, nowMs: number, limit: number): string[] {
  return sql
    .exec("SELECT key FROM timers WHERE due_at_ms <= ? ORDER BY due_at_ms, key LIMIT ?", nowMs, limit)
    .map((row) => readText(row, "key"));
}

/** True when the timer exists and is due. */
export function isTimerDue(sql: Sql, key: string, nowMs: number): boolean {
  return sql.exec("SELECT 1 AS found FROM timers WHERE key = ? AND due_at_ms <= ?", key, nowMs).length > 0;
}
