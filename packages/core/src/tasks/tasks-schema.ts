import type { Migration } from "../kernel/sql.ts";

/** Tables of tasks, their dependencies and comments. The JSON column holds the full value, the others are indexes. */
export const TASK_MIGRATIONS: readonly Migration[] = [
  {
    id: "tasks-1",
    statements: [
      `CREATE TABLE tasks (
        task_id TEXT PRIMARY KEY, number INTEGER NOT NULL UNIQUE, status TEXT NOT NULL, task_type TEXT NOT NULL,
        external_reference TEXT UNIQUE, value TEXT NOT NULL)`,
      "CREATE INDEX tasks_by_status ON tasks (status)",
      `CREATE TABLE dependencies (
        task_id TEXT NOT NULL, depends_on_id TEXT NOT NULL, kind TEXT NOT NULL,
        PRIMARY KEY (task_id, depends_on_id)) WITHOUT ROWID`,
      "CREATE INDEX dependencies_by_target ON dependencies (depends_on_id)",
      "CREATE TABLE comments (comment_id TEXT PRIMARY KEY, task_id TEXT NOT NULL, at_ms INTEGER NOT NULL, value TEXT NOT NULL)",
      "CREATE INDEX comments_by_task ON comments (task_id, at_ms)",
    ],
  },
];

/** The tables that replay rebuilds. */
export const TASK_TABLES: readonly string[] = ["tasks", "dependencies", "comments"];
