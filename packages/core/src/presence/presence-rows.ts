import type { ProjectEvent, Session } from "@canopy/protocol";
import type { EventPosition, Projections } from "../kernel/room-definition.ts";
import type { Migration, Sql } from "../kernel/sql.ts";
import { readNumber, readText, readTextOrNull } from "../kernel/sql.ts";
import { clearTimer, setTimer } from "../kernel/timers.ts";
import { selectSession } from "../sessions/session-feature.ts";
import { writeFeed } from "./feed-rows.ts";

/** How long a session may be lost before it counts as ended, in ms. */
export const LOST_MS = 7_200_000;

/** Tables of who is here. */
export const PRESENCE_MIGRATIONS: readonly Migration[] = [
  {
    id: "presence-1",
    statements: [
      `CREATE TABLE presences (session_id TEXT PRIMARY KEY, agent TEXT NOT NULL, native_id TEXT, handle TEXT NOT NULL,
        state TEXT NOT NULL, worktree TEXT NOT NULL, branch TEXT, status TEXT NOT NULL, ended_at_ms INTEGER) WITHOUT ROWID`,
      "CREATE INDEX presences_by_native_id ON presences (agent, native_id)",
      "CREATE INDEX presences_by_handle ON presences (handle)",
      "CREATE INDEX presences_by_state ON presences (state)",
      "CREATE TABLE handle_counts (agent TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID",
      "CREATE TABLE coordination (id INTEGER PRIMARY KEY CHECK (id = 1), is_finished INTEGER NOT NULL)",
      `CREATE TABLE feed (seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, kind TEXT NOT NULL, session_id TEXT,
        worktree TEXT, text TEXT NOT NULL)`,
      "CREATE TABLE activity (session_id TEXT NOT NULL, kind TEXT NOT NULL, at_ms INTEGER NOT NULL, peer TEXT)",
      "CREATE INDEX activity_by_session ON activity (session_id, kind, at_ms)",
    ],
  },
];

/** The tables that replay rebuilds. */
export const PRESENCE_TABLES: readonly string[] = [
  "presences",
  "handle_counts",
  "coordination",
  "feed",
  "activity",
];

/** A session that takes part: its presence is there. */
export type PresentSession = Session & { readonly presence: NonNullable<Session["presence"]> };

/** True for a session that takes part. */
export function isPresent(session: Session | undefined): session is PresentSession {
  // An event of a journal before coordination has no such field.
  return session !== undefined && (session.presence ?? null) !== null;
}

/** One session that takes part, or undefined. */
export function selectPresent(sql: Sql, sessionId: string): PresentSession | undefined {
  const session = selectSession(sql, sessionId);
  return isPresent(session) ? session : undefined;
}

function selectIds(sql: Sql, where: string, ...bindings: readonly string[]): string[] {
  return sql
    .exec(`SELECT session_id FROM presences WHERE ${where} ORDER BY session_id LIMIT 10000`, ...bindings)
    .map((row) => readText(row, "session_id"));
}

function load(sql: Sql, ids: readonly string[]): PresentSession[] {
  return ids.map((id) => selectPresent(sql, id)).filter((session) => session !== undefined);
}

/** Sessions that have neither ended nor are lost, by id. */
export function selectLiveSessions(sql: Sql): PresentSession[] {
  return load(sql, selectIds(sql, "state NOT IN ('ended', 'lost')"));
}

/** The session of an agent under the agent's own id for it, or undefined. */
export function selectByNativeId(sql: Sql, agent: string, nativeId: string): PresentSession | undefined {
  return load(sql, selectIds(sql, "agent = ? AND native_id = ?", agent, nativeId))[0];
}

/** Sessions that go by a name: an id, a handle (that of a live one first), or a part of an id that only they have. */
export function selectByReference(sql: Sql, reference: string): PresentSession[] {
  const name = reference.replace(/^@/, "");
  const exact = selectPresent(sql, name);
  if (exact !== undefined) return [exact];
  const byHandle = load(sql, selectIds(sql, "handle = ?", name));
  const alive = byHandle.filter((session) => session.state !== "ended");
  if (alive.length > 0) return alive;
  if (byHandle.length > 0) return byHandle.slice(-1);
  const native = load(sql, selectIds(sql, "native_id = ?", name));
  if (native.length > 0) return native;
  if (name.length < 4) return [];
  return load(sql, selectIds(sql, "instr(session_id, ?) > 0", name));
}

/** True when a session has not ended and is not lost. */
export function isLive(sql: Sql, sessionId: string): boolean {
  const [row] = sql.exec("SELECT state FROM presences WHERE session_id = ?", sessionId);
  return row !== undefined && !["ended", "lost"].includes(readText(row, "state"));
}

/** True when a session that took part has ended. */
export function isEnded(sql: Sql, sessionId: string): boolean {
  const [row] = sql.exec("SELECT state FROM presences WHERE session_id = ?", sessionId);
  return row !== undefined && readText(row, "state") === "ended";
}

/** The name of a session, its id when it has none. */
export function handleOf(sql: Sql, sessionId: string | null): string {
  if (sessionId === null) return "a person";
  const [row] = sql.exec("SELECT handle FROM presences WHERE session_id = ?", sessionId);
  return row === undefined ? sessionId : `@${readText(row, "handle")}`;
}

/** The first free handle of an agent: `claude-1`, `claude-2`, ... A number is never given twice. */
export function nextHandle(sql: Sql, agent: string): string {
  const stem =
    agent
      .toLowerCase()
      .replaceAll(/[^a-z0-9._-]/g, "-")
      .replace(/^[^a-z0-9]+/, "") || "agent";
  const [row] = sql.exec("SELECT count FROM handle_counts WHERE agent = ?", agent);
  for (let number = (row === undefined ? 0 : readNumber(row, "count")) + 1; ; number += 1) {
    const handle = `${stem.slice(0, 30)}-${number}`;
    if (selectIds(sql, "handle = ? AND state <> 'ended'", handle).length === 0) return handle;
  }
}

/** True after `coordination.finish`. */
export function isFinished(sql: Sql): boolean {
  const [row] = sql.exec("SELECT is_finished FROM coordination");
  return row !== undefined && readNumber(row, "is_finished") === 1;
}

/** What a session did, for the limits of rate; `peer`: towards which one. */
export interface Activity {
  readonly sessionId: string;
  readonly kind: string;
  readonly peer?: string;
}

/** How often a session did something since a time; with `peer`, only towards that one. */
export function countActivity(sql: Sql, { sessionId, kind, peer }: Activity, sinceMs: number): number {
  const where = peer === undefined ? "" : " AND peer = ?";
  const [row] = sql.exec(
    `SELECT COUNT(*) AS count FROM activity WHERE session_id = ? AND kind = ? AND at_ms > ?${where}`,
    sessionId,
    kind,
    sinceMs,
    ...(peer === undefined ? [] : [peer]),
  );
  return row === undefined ? 0 : readNumber(row, "count");
}

/** Notes that a session did something, for the limits of rate; what is older than an hour goes. Projections only. */
export function noteActivity(sql: Sql, activity: Activity, atMs: number): void {
  sql.exec("DELETE FROM activity WHERE session_id = ? AND at_ms < ?", activity.sessionId, atMs - 3_600_000);
  sql.exec(
    "INSERT INTO activity (session_id, kind, at_ms, peer) VALUES (?, ?, ?, ?)",
    activity.sessionId,
    activity.kind,
    atMs,
    activity.peer ?? null,
  );
}

interface PresenceRow {
  readonly state: string;
  readonly status: string;
  readonly branch: string | null;
}

function describeChange(
  before: PresenceRow | undefined,
  session: PresentSession,
): [kind: string, text: string] | null {
  const { presence } = session;
  const name = `@${presence.handle}`;
  if (before === undefined || (before.state === "ended" && session.state !== "ended")) {
    const where = presence.branch === null ? "" : ` on ${presence.branch}`;
    return ["joined", `${name} (${session.agent}) is here${where}`];
  }
  if (session.state === "ended" && before.state !== "ended")
    return ["ended", `${name} has ended: ${session.endReason ?? "no reason given"}`];
  if (session.state === "lost" && before.state !== "lost") return ["lost", `${name} gives no sign of life`];
  if (presence.status !== before.status && presence.status !== "")
    return ["status", `${name}: ${presence.status}`];
  if (presence.branch !== before.branch)
    return ["branch", `${name} is now on ${presence.branch ?? "no branch"}`];
  return null;
}

function writePresence(sql: Sql, { session }: { readonly session: Session }, at: EventPosition): void {
  if (!isPresent(session)) return;
  const { presence } = session;
  const [row] = sql.exec(
    "SELECT state, status, branch FROM presences WHERE session_id = ?",
    session.sessionId,
  );
  const before: PresenceRow | undefined =
    row === undefined
      ? undefined
      : {
          state: readText(row, "state"),
          status: readText(row, "status"),
          branch: readTextOrNull(row, "branch"),
        };
  const change = describeChange(before, session);
  if (change !== null) {
    const [kind, text] = change;
    writeFeed(sql, at, { kind, sessionId: session.sessionId, worktree: presence.worktree, text });
    if (kind === "status") noteActivity(sql, { sessionId: session.sessionId, kind: "status" }, at.atMs);
  }
  if (before === undefined) {
    sql.exec(
      `INSERT INTO handle_counts (agent, count) VALUES (?, 1)
       ON CONFLICT (agent) DO UPDATE SET count = handle_counts.count + 1`,
      session.agent,
    );
  }
  sql.exec(
    `INSERT INTO presences (session_id, agent, native_id, handle, state, worktree, branch, status, ended_at_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (session_id) DO UPDATE SET native_id = excluded.native_id, handle = excluded.handle,
       state = excluded.state, worktree = excluded.worktree, branch = excluded.branch, status = excluded.status,
       ended_at_ms = excluded.ended_at_ms`,
    session.sessionId,
    session.agent,
    session.nativeSessionId,
    presence.handle,
    session.state,
    presence.worktree,
    presence.branch,
    presence.status,
    session.endedAtMs,
  );
  if (session.state === "lost") setTimer(sql, `presence:${session.sessionId}`, at.atMs + LOST_MS);
  else clearTimer(sql, `presence:${session.sessionId}`);
}

function prune(sql: Sql, beforeMs: number): void {
  // Sessions of runs stay: their attempts and transcripts name them.
  sql.exec(
    `DELETE FROM sessions WHERE session_id IN
       (SELECT session_id FROM presences WHERE state = 'ended' AND ended_at_ms < ?)
       AND json_extract(value, '$.attemptId') IS NULL`,
    beforeMs,
  );
  sql.exec("DELETE FROM presences WHERE state = 'ended' AND ended_at_ms < ?", beforeMs);
  sql.exec("DELETE FROM feed WHERE at_ms < ?", beforeMs);
  sql.exec("DELETE FROM activity WHERE at_ms < ?", beforeMs);
}

/** Event -> table writes of who is here. */
export const PRESENCE_PROJECTIONS: Projections<ProjectEvent> = {
  "session.registered": writePresence,
  "session.updated": writePresence,
  "coordination.finished": (sql) => {
    sql.exec("INSERT OR REPLACE INTO coordination (id, is_finished) VALUES (1, 1)");
  },
  "coordination.reopened": (sql) => {
    sql.exec("INSERT OR REPLACE INTO coordination (id, is_finished) VALUES (1, 0)");
  },
  "coordination.pruned": (sql, { beforeMs }) => prune(sql, beforeMs),
  "edit.refused": (sql, { sessionId, text }, at) =>
    writeFeed(sql, at, { kind: "refused", sessionId, worktree: null, text }),
  "edit.bypassed": (sql, { sessionId, text }, at) =>
    writeFeed(sql, at, { kind: "bypassed", sessionId, worktree: null, text }),
  "claim.granted": (sql, { claim }, at) => {
    if (claim.isAutomatic) return;
    noteActivity(sql, { sessionId: claim.sessionId, kind: "claim" }, at.atMs);
    const name = handleOf(sql, claim.sessionId);
    const because = claim.reason === "" ? "" : `: ${claim.reason}`;
    writeFeed(sql, at, {
      kind: "claimed",
      sessionId: claim.sessionId,
      worktree: claim.worktree,
      text: `${name} claimed ${claim.target.label} (${claim.mode})${because}`,
    });
  },
  "claim.ended": (sql, { claim, how, detail }, at) => {
    if (claim.isAutomatic && how !== "forced" && how !== "yielded") return;
    const name = handleOf(sql, claim.sessionId);
    writeFeed(sql, at, {
      // What was not its holder's doing, its holder is told too.
      kind: ["forced", "expired", "not-taken-up", "holder-lost"].includes(how) ? "taken" : "freed",
      sessionId: claim.sessionId,
      worktree: claim.worktree,
      text: `${name} no longer holds ${claim.target.label} (${how})${detail === "" ? "" : `: ${detail}`}`,
    });
  },
};
