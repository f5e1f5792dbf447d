import type { Change, ChangeState, Landing, ProjectEvent, QueuePause, Validation } from "@canopy/protocol";
import type { Projections } from "../kernel/room-definition.ts";
import type { Migration, Sql, SqlRow } from "../kernel/sql.ts";
import { parseColumn, readNumber, readNumberOrNull, readText } from "../kernel/sql.ts";
import { clearTimer, setTimer } from "../kernel/timers.ts";
import { STACK_PROJECTIONS, countFlakyStep } from "./stack-rows.ts";

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
  {
    id: "merge-queue-3",
    statements: [
      `CREATE TABLE stacks (integration_ref TEXT NOT NULL, lane TEXT NOT NULL, value TEXT NOT NULL,
        PRIMARY KEY (integration_ref, lane)) WITHOUT ROWID`,
      `CREATE TABLE trials (job_id TEXT PRIMARY KEY, validation_key TEXT NOT NULL, value TEXT NOT NULL) WITHOUT ROWID`,
      "CREATE TABLE flaky_steps (step TEXT PRIMARY KEY, count INTEGER NOT NULL, last_at_ms INTEGER NOT NULL) WITHOUT ROWID",
      "CREATE TABLE overlaps (attempt_id TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    ],
  },
];

/** The tables that replay rebuilds. */
export const QUEUE_TABLES: readonly string[] = [
  "changes",
  "landings",
  "queue_pauses",
  "validations",
  "stacks",
  "trials",
  "flaky_steps",
  "overlaps",
];

/** What every change begins with, and what those of a journal before 0.2 did not have yet. */
export const CHANGE_DEFAULTS: Pick<
  Change,
  | "scopes"
  | "boost"
  | "revision"
  | "ladder"
  | "ladderFrom"
  | "work"
  | "lostLines"
  | "isLossAccepted"
  | "stuckOn"
  | "blockedBy"
> = {
  scopes: null,
  boost: 0,
  revision: 0,
  ladder: [],
  ladderFrom: 0,
  work: null,
  lostLines: [],
  isLossAccepted: false,
  stuckOn: null,
  blockedBy: [],
};

function parseChange(row: SqlRow): Change {
  return { ...CHANGE_DEFAULTS, ...parseColumn<Change>(row, "value") };
}

function parseLanding(row: SqlRow): Landing {
  return Object.assign({ lane: "*" }, parseColumn<Landing>(row, "value"));
}

function parseValidation(row: SqlRow): Validation {
  return Object.assign({ flakySteps: [], tries: 2 }, parseColumn<Validation>(row, "value"));
}

/** One change, or undefined. */
export function selectChange(sql: Sql, changeId: string): Change | undefined {
  const [row] = sql.exec("SELECT value FROM changes WHERE change_id = ?", changeId);
  return row === undefined ? undefined : parseChange(row);
}

/** Changes in one state, in queue order. */
export function selectChangesByState(sql: Sql, state: ChangeState): Change[] {
  return sql
    .exec("SELECT value FROM changes WHERE state = ? ORDER BY position", state)
    .map((row) => parseChange(row));
}

/** Every change in queue order, newest last. */
export function selectChanges(sql: Sql): Change[] {
  return sql.exec("SELECT value FROM changes ORDER BY position").map((row) => parseChange(row));
}

/** Changes of one task, oldest first. */
export function selectChangesOfTask(sql: Sql, taskId: string): Change[] {
  return sql
    .exec("SELECT value FROM changes WHERE task_id = ? ORDER BY position", taskId)
    .map((row) => parseChange(row));
}

/** One landing, or undefined. */
export function selectLanding(sql: Sql, landingId: string): Landing | undefined {
  const [row] = sql.exec("SELECT value FROM landings WHERE landing_id = ?", landingId);
  return row === undefined ? undefined : parseLanding(row);
}

/** Landings whose branch may or may not have moved yet, oldest first. */
export function selectOpenLandings(sql: Sql): Landing[] {
  return sql
    .exec("SELECT value FROM landings WHERE state = 'intended' ORDER BY landing_id")
    .map((row) => parseLanding(row));
}

/** The validation of a tree by a set of commands, or undefined when it was never done. */
export function selectValidation(sql: Sql, tree: string, commandsHash: string): Validation | undefined {
  const [row] = sql.exec(
    "SELECT value FROM validations WHERE tree = ? AND commands_hash = ?",
    tree,
    commandsHash,
  );
  return row === undefined ? undefined : parseValidation(row);
}

/** Changes on their way to the branch: being built, validated or landed. */
export function selectChangesInLanding(sql: Sql): Change[] {
  return sql
    .exec("SELECT value FROM changes WHERE state IN ('building', 'testing', 'landing') ORDER BY position")
    .map((row) => parseChange(row));
}

/** Changes that an agent or a command works on, so that they may come back to the queue. */
export function selectChangesInWork(sql: Sql): Change[] {
  return sql
    .exec("SELECT value FROM changes WHERE state IN ('conflicted', 'failing') ORDER BY position")
    .map((row) => parseChange(row))
    .filter((change) => change.work !== null);
}

/** How many changes that came later than this one have been taken before it. */
export function countOvertakers(sql: Sql, changeId: string): number {
  const [row] = sql.exec(
    `SELECT COUNT(*) AS count FROM changes WHERE state IN ('building', 'testing', 'landing', 'landed')
       AND position > (SELECT position FROM changes WHERE change_id = ?)`,
    changeId,
  );
  return row === undefined ? 0 : readNumber(row, "count");
}

/** Queued changes whose tasks depend on others in some way. */
export function selectQueuedWithDependencies(sql: Sql): Change[] {
  return sql
    .exec(
      `SELECT value FROM changes WHERE state = 'queued' AND task_id IN (SELECT task_id FROM dependencies)
       ORDER BY position`,
    )
    .map((row) => parseChange(row));
}

/** Branches that changes are queued for. */
export function selectQueuedRefs(sql: Sql): string[] {
  return sql
    .exec("SELECT DISTINCT integration_ref FROM changes WHERE state = 'queued' ORDER BY integration_ref")
    .map((row) => readText(row, "integration_ref"));
}

/** True while some change may still move by itself. */
export function hasOpenChanges(sql: Sql): boolean {
  const rows = sql.exec(
    `SELECT 1 AS found FROM changes WHERE state IN ('queued', 'building', 'testing', 'landing', 'conflicted', 'failing',
       'blocked') LIMIT 1`,
  );
  return rows.length > 0 || selectOpenLandings(sql).length > 0;
}

/** Why landing on a branch is paused, or null when it is not. */
export function selectQueuePause(sql: Sql, integrationRef: string): string | null {
  const [row] = sql.exec("SELECT reason FROM queue_pauses WHERE integration_ref = ?", integrationRef);
  return row === undefined ? null : readText(row, "reason");
}

/** Every pause. */
export function selectQueuePauses(sql: Sql): QueuePause[] {
  return sql.exec("SELECT * FROM queue_pauses ORDER BY integration_ref").map((row) => ({
    integrationRef: readText(row, "integration_ref"),
    untilMs: readNumberOrNull(row, "until_ms"),
    reason: readText(row, "reason"),
  }));
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
  ...STACK_PROJECTIONS,
  "validation.recorded": (sql, { validation }, { atMs }) => {
    // Journals before 0.2 have no list of steps.
    for (const step of validation.flakySteps ?? []) countFlakyStep(sql, step, atMs);
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
