import type { ProjectEvent, Wait } from "@canopy/protocol";
import type { Projections } from "../kernel/room-definition.ts";
import type { Migration, Sql, SqlValue } from "../kernel/sql.ts";
import { parseColumn } from "../kernel/sql.ts";
import { clearTimer, setTimer } from "../kernel/timers.ts";

/** Tables of the waits. */
export const WAIT_MIGRATIONS: readonly Migration[] = [
  {
    id: "waits-1",
    statements: [
      `CREATE TABLE waits (wait_id TEXT PRIMARY KEY, session_id TEXT NOT NULL, state TEXT NOT NULL, is_told INTEGER NOT NULL,
        started_at_ms INTEGER NOT NULL, value TEXT NOT NULL) WITHOUT ROWID`,
      "CREATE INDEX waits_by_state ON waits (state, started_at_ms)",
      "CREATE INDEX waits_by_session ON waits (session_id, is_told)",
      `CREATE TABLE merged_branches (branch TEXT NOT NULL, into_branch TEXT NOT NULL, seq INTEGER NOT NULL,
        at_ms INTEGER NOT NULL, PRIMARY KEY (branch, into_branch)) WITHOUT ROWID`,
    ],
  },
];

/** The tables that replay rebuilds. */
export const WAIT_TABLES: readonly string[] = ["waits", "merged_branches"];

function selectWhere(sql: Sql, where: string, ...bindings: readonly SqlValue[]): Wait[] {
  return sql
    .exec(`SELECT value FROM waits WHERE ${where} ORDER BY started_at_ms, wait_id`, ...bindings)
    .map((row) => parseColumn<Wait>(row, "value"));
}

/** One wait, or undefined. */
export function selectWait(sql: Sql, waitId: string): Wait | undefined {
  return selectWhere(sql, "wait_id = ?", waitId)[0];
}

/** Waits that go on, oldest first. */
export function selectPendingWaits(sql: Sql): Wait[] {
  return selectWhere(sql, "state = 'waiting'");
}

/** Waits of a session that ended and of which its agent was not told. */
export function selectUntoldWaits(sql: Sql, sessionId: string): Wait[] {
  return selectWhere(
    sql,
    "session_id = ? AND is_told = 0 AND state IN ('satisfied', 'timed-out')",
    sessionId,
  );
}

function writeWait(sql: Sql, wait: Wait): void {
  sql.exec(
    `INSERT INTO waits (wait_id, session_id, state, is_told, started_at_ms, value) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (wait_id) DO UPDATE SET state = excluded.state, is_told = excluded.is_told, value = excluded.value`,
    wait.waitId,
    wait.sessionId,
    wait.state,
    wait.isTold ? 1 : 0,
    wait.startedAtMs,
    JSON.stringify(wait),
  );
  if (wait.state === "waiting") setTimer(sql, `waits:${wait.waitId}`, wait.expiresAtMs);
  else clearTimer(sql, `waits:${wait.waitId}`);
}

/** Event -> table writes of the waits. */
export const WAIT_PROJECTIONS: Projections<ProjectEvent> = {
  "wait.started": (sql, { wait }) => writeWait(sql, wait),
  "wait.updated": (sql, { wait }) => writeWait(sql, wait),
  "branch.merged": (sql, { branch, into }, { seq, atMs }) => {
    sql.exec(
      `INSERT INTO merged_branches (branch, into_branch, seq, at_ms) VALUES (?, ?, ?, ?)
       ON CONFLICT (branch, into_branch) DO UPDATE SET seq = excluded.seq, at_ms = excluded.at_ms`,
      branch,
      into,
      seq,
      atMs,
    );
  },
  "coordination.pruned": (sql, { beforeMs }) => {
    sql.exec("DELETE FROM waits WHERE state <> 'waiting' AND started_at_ms < ?", beforeMs);
    sql.exec("DELETE FROM merged_branches WHERE at_ms < ?", beforeMs);
  },
};
