import type { Migration } from "../kernel/sql.ts";

/** Tables of the work board: its prefix, and what issues have beside their tasks. */
export const BOARD_MIGRATIONS: readonly Migration[] = [
  {
    id: "board-1",
    statements: [
      "CREATE TABLE board (id INTEGER PRIMARY KEY CHECK (id = 1), prefix TEXT NOT NULL)",
      "CREATE TABLE issues (task_id TEXT PRIMARY KEY, issue_id TEXT UNIQUE, value TEXT NOT NULL)",
    ],
  },
  {
    id: "board-2",
    statements: [
      "ALTER TABLE issues ADD COLUMN defer_until_ms INTEGER",
      "CREATE INDEX issues_by_defer ON issues (defer_until_ms) WHERE defer_until_ms IS NOT NULL",
    ],
  },
];

/** The tables that replay rebuilds. */
export const BOARD_TABLES: readonly string[] = ["board", "issues"];
