import type { Change, ChangeState, Landing, ProjectEvent, Validation } from "@canopy/protocol";
import type { Projections } from "../kernel/room-definition.ts";
import type { Migration, Sql } from "../kernel/sql.ts";
import { parseColumn, readText } from "../kernel/sql.ts";
import { clearTimer, setTimer } from "../kernel/timers.ts";

/** Tables of the queue: changes, landing intents, pauses. */
export const QUEUE_MIGRATIONS: readonly Migration[] = [
  {
    id: "merge-queue-1",
    statements: [
      `CREATE TABLE changes (change_id TEXT PRIMARY KEY, task_id TEXT NOT NULL, run_id TEXT NOT NULL, state TEXT NOT NULL,
        integration_ref TEXT NOT NULL, position INTEGER NOT NULL, value TEXT NOT NULL)`,
      "CREATE INDEX changes_by_state ON changes (state, position)",
      "CREATE INDEX changes_by_task ON changes (task_id, position)",
      "CREATE TABLE landings (landing_id TEXT PRIMARY KEY, state TEXT NOT NULL, value TEXT NOT NULL)",
      "CREATE INDEX landings_by_state ON landings (state)",
      "CREATE TABLE queue_pauses (integration_ref TEXT PRIMARY KEY, until_ms INTEGER, reason TEXT NOT NULL)",
    ],
  },
  {
    id: "merge-queue-2",
    statements: [
      `CREATE TABLE validations (tree TEXT NOT NULL, commands_hash TEXT NOT NULL, value TEXT NOT NULL,
        PRIMARY KEY (tree, commands_hash)) WITHOUT ROWID`,
    ],
  },
];

/** The tables that replay rebuilds. */
export const QUEUE_TABLES: readonly string[] = ["changes", "landings", "queue_pauses", "validations"];

/** One change, or undefined. */
export function selectChange(sql: Sql, changeId: string): Change | undefined {
  const [row] = sql.exec("SELECT value FROM changes WHERE change_id = ?", changeId);
  return row === undefined ? undefined : parseColumn<Change>(row, "value");
}

/** Changes in one state, in queue order. */
export function selectChangesByState(sql: Sql, state: ChangeState): Change[] {
  return sql
    .exec("SELECT value FROM changes WHERE state = ? ORDER BY position", state)
    .map((row) => parseColumn<Change>(row, "value"));
}

/** Every change in queue order, newest last. */
export function selectChanges(sql: Sql): Change[] {
  return sql
    .exec("SELECT value FROM changes ORDER BY position")
    .map((row) => parseColumn<Change>(row, "value"));
}

/** Changes of one task, oldest first. */
export function selectChangesOfTask(sql: Sql, taskId: string): Change[] {
  return sql
    .exec("SELECT value FROM changes WHERE task_id = ? ORDER BY position", taskId)
    .map((row) => parseColumn<Change>(row, "value"));
}

/** One landing, or undefined. */
export function selectLanding(sql: Sql, landingId: string): Landing | undefined {
  const [row] = sql.exec("SELECT value FROM landings WHERE landing_id = ?", landingId);
  return row === undefined ? undefined : parseColumn<Landing>(row, "value");
}

/** The landing that was intended for a set of changes and is not finished, or undefined. */
export function selectOpenLandingOf(sql: Sql, changeIds: readonly string[]): Landing | undefined {
  const wanted = new Set(changeIds);
  return sql
    .exec("SELECT value FROM landings WHERE state = 'intended'")
    .map((row) => parseColumn<Landing>(row, "value"))
    .find((landing) => landing.items.some((item) => wanted.has(item.changeId)));
}

/** The validation of a tree by a set of commands, or undefined when it was never done. */
export function selectValidation(sql: Sql, tree: string, commandsHash: string): Validation | undefined {
  const [row] = sql.exec(
    "SELECT value FROM validations WHERE tree = ? AND commands_hash = ?",
    tree,
    commandsHash,
  );
  return row === undefined ? undefined : parseColumn<Validation>(row, "value");
}

/** Changes that a landing job has in its hands. */
export function selectChangesInLanding(sql: Sql): Change[] {
  return [...selectChangesByState(sql, "landing"), ...selectChangesByState(sql, "testing")];
}

/** Why landing on a branch is paused, or null when it is not. */
export function selectQueuePause(sql: Sql, integrationRef: string): string | null {
  const [row] = sql.exec("SELECT reason FROM queue_pauses WHERE integration_ref = ?", integrationRef);
  return row === undefined ? null : readText(row, "reason");
}

function writeChange(sql: Sql, { change }: { readonly change: Change }): void {
  sql.exec(
    `INSERT INTO changes (change_id, task_id, run_id, state, integration_ref, position, value)
     VALUES (?, ?, ?, ?, ?, (SELECT COALESCE(MAX(position), 0) + 1 FROM changes), ?)
     ON CONFLICT (change_id) DO UPDATE SET state = excluded.state, value = excluded.value`,
    change.changeId,
    change.taskId,
    change.runId,
    change.state,
    change.integrationRef,
    JSON.stringify(change),
  );
}

function writeLanding(sql: Sql, { landing }: { readonly landing: Landing }): void {
  sql.exec(
    `INSERT INTO landings (landing_id, state, value) VALUES (?, ?, ?)
     ON CONFLICT (landing_id) DO UPDATE SET state = excluded.state, value = excluded.value`,
    landing.landingId,
    landing.state,
    JSON.stringify(landing),
  );
}

/** Tables of the queue from events. */
export const QUEUE_PROJECTIONS: Projections<ProjectEvent> = {
  "change.queued": writeChange,
  "change.updated": writeChange,
  "change.landed": writeChange,
  "change.conflicted": writeChange,
  "change.failing": writeChange,
  "validation.recorded": (sql, { validation }) => {
    sql.exec(
      "INSERT OR REPLACE INTO validations (tree, commands_hash, value) VALUES (?, ?, ?)",
      validation.tree,
      validation.commandsHash,
      JSON.stringify(validation),
    );
  },
  "landing.intended": writeLanding,
  "landing.landed": writeLanding,
  "landing.abandoned": writeLanding,
  "queue.paused": (sql, { integrationRef, untilMs, reason }) => {
    sql.exec(
      "INSERT OR REPLACE INTO queue_pauses (integration_ref, until_ms, reason) VALUES (?, ?, ?)",
      integrationRef,
      untilMs,
      reason,
    );
    if (untilMs === null) clearTimer(sql, `queue:${integrationRef}`);
    else setTimer(sql, `queue:${integrationRef}`, untilMs);
  },
  "queue.resumed": (sql, { integrationRef }) => {
    sql.exec("DELETE FROM queue_pauses WHERE integration_ref = ?", integrationRef);
    clearTimer(sql, `queue:${integrationRef}`);
  },
};
