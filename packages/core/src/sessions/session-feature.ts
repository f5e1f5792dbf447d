import type { Attempt, ProjectCommand, ProjectEvent, Session, Task } from "@canopy/protocol";
import { ZERO_USAGE, brandId, addUsage } from "@canopy/protocol";
import type { DecideContext, RoomFeature } from "../kernel/room-definition.ts";
import type { Sql, SqlRow } from "../kernel/sql.ts";
import { parseColumn } from "../kernel/sql.ts";

type Context = DecideContext<ProjectEvent>;

/** The feature that every project has, so that nobody is asked for one. */
export const GENERAL_FEATURE_ID = brandId("feature", "ftr_general");

/** One session of the registry, or undefined. */
export function selectSession(sql: Sql, sessionId: string): Session | undefined {
  const [row] = sql.exec("SELECT value FROM sessions WHERE session_id = ?", sessionId);
  return row === undefined ? undefined : parseSession(row);
}

/** A session of a journal before coordination has no presence. */
function parseSession(row: SqlRow): Session {
  return { presence: null, ...parseColumn<Omit<Session, "presence">>(row, "value") };
}

/** Sessions of the registry, oldest first. */
export function selectSessions(sql: Sql): Session[] {
  return sql.exec("SELECT value FROM sessions ORDER BY session_id").map((row) => parseSession(row));
}

function forkPointOf(attempt: Attempt, { forkOf }: Task): Pick<Session, "forkOf"> {
  if (forkOf === undefined || attempt.ladder != null) return {};
  const { sessionId, throughTurnId } = forkOf;
  return { forkOf: { sessionId, throughTurnId } };
}

/** Emits the registration of the session in which an attempt runs. */
export function registerSession(context: Context, attempt: Attempt, task: Task): void {
  const session: Session = {
    sessionId: attempt.sessionId,
    featureId: GENERAL_FEATURE_ID,
    attemptId: attempt.attemptId,
    taskId: task.taskId,
    title: task.title,
    agent: attempt.agent,
    model: attempt.model,
    nativeSessionId: null,
    ...forkPointOf(attempt, task),
    state: "starting",
    endReason: null,
    sandboxLevel: null,
    usage: ZERO_USAGE,
    openedAtMs: context.nowMs,
    endedAtMs: null,
    presence: null,
  };
  context.emit({ type: "session.registered", session });
}

/** Emits that an ended session goes on with a further attempt. */
export function reopenSession(context: Context, attempt: Attempt): void {
  const session = selectSession(context.sql, attempt.sessionId);
  if (session === undefined) return;
  context.emit({
    type: "session.updated",
    session: {
      ...session,
      attemptId: attempt.attemptId,
      state: "starting",
      endReason: null,
      endedAtMs: null,
    },
  });
}

/** Emits that a session's processes run, and how much they are kept from. */
export function activateSession(context: Context, sessionId: string, sandboxLevel: string | null): void {
  const session = selectSession(context.sql, sessionId);
  if (session === undefined) return;
  context.emit({ type: "session.updated", session: { ...session, state: "active", sandboxLevel } });
}

/** Emits a session's new state; the same state again changes nothing. */
export function setSessionState(context: Context, sessionId: string, state: Session["state"]): void {
  const session = selectSession(context.sql, sessionId);
  if (session === undefined || session.state === state) return;
  context.emit({ type: "session.updated", session: { ...session, state } });
}

/** Emits that a session has ended with its attempt, and what it has spent by now. */
export function endSession(context: Context, attempt: Attempt): void {
  const session = selectSession(context.sql, attempt.sessionId);
  if (session === undefined || session.state === "ended") return;
  context.emit({
    type: "session.updated",
    session: {
      ...session,
      state: "ended",
      endReason: attempt.state,
      usage: addUsage(session.usage, attempt.usage),
      endedAtMs: context.nowMs,
    },
  });
}

function writeSession(sql: Sql, { session }: { readonly session: Session }): void {
  sql.exec(
    `INSERT INTO sessions (session_id, state, value) VALUES (?, ?, ?)
     ON CONFLICT (session_id) DO UPDATE SET state = excluded.state, value = excluded.value`,
    session.sessionId,
    session.state,
    JSON.stringify(session),
  );
}

/** The registry of agent sessions of a project. */
export const sessionFeature: RoomFeature<ProjectCommand, ProjectEvent> = {
  name: "sessions",
  migrations: [
    {
      id: "sessions-1",
      statements: [
        "CREATE TABLE sessions (session_id TEXT PRIMARY KEY, state TEXT NOT NULL, value TEXT NOT NULL)",
        "CREATE INDEX sessions_by_state ON sessions (state)",
      ],
    },
  ],
  tables: ["sessions"],
  project: { "session.registered": writeSession, "session.updated": writeSession },
};
