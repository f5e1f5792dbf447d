import type {
  AgentEvent,
  FeatureCommand,
  FeatureEvent,
  FeatureState,
  Prompt,
  Session,
  TranscriptEntry,
  Turn,
} from "@canopy/protocol";
import { isLiveOnly, reject } from "@canopy/protocol";
import type { DecideAnswer, DecideContext, RoomFeature } from "../kernel/room-definition.ts";
import { accept } from "../kernel/room-definition.ts";
import { selectContext } from "../context/context-feature.ts";
import type { Sql } from "../kernel/sql.ts";
import { parseColumn, readNumber } from "../kernel/sql.ts";

type Context = DecideContext<FeatureEvent>;
type Command<T extends FeatureCommand["type"]> = Extract<FeatureCommand, { type: T }>;

function selectOne<T>(
  sql: Sql,
  table: "sessions" | "prompts" | "turns",
  column: string,
  id: string,
): T | undefined {
  const [row] = sql.exec(`SELECT value FROM ${table} WHERE ${column} = ?`, id);
  return row === undefined ? undefined : parseColumn<T>(row, "value");
}

/** One session of a feature, or undefined. */
export function selectFeatureSession(sql: Sql, sessionId: string): Session | undefined {
  return selectOne<Session>(sql, "sessions", "session_id", sessionId);
}

/** Transcript entries of a session after an index, in order. */
export function selectTranscript(
  sql: Sql,
  sessionId: string,
  range: { readonly afterIndex?: number; readonly limit?: number } = {},
): TranscriptEntry[] {
  return sql
    .exec(
      "SELECT value FROM transcript WHERE session_id = ? AND position > ? ORDER BY position LIMIT ?",
      sessionId,
      range.afterIndex ?? 0,
      range.limit ?? 1000,
    )
    .map((row) => parseColumn<TranscriptEntry>(row, "value"));
}

/** The prompt of a session that is next in line, or undefined. */
export function selectQueuedPrompt(sql: Sql, sessionId: string): Prompt | undefined {
  const [row] = sql.exec(
    "SELECT value FROM prompts WHERE session_id = ? AND state = 'queued' ORDER BY position LIMIT 1",
    sessionId,
  );
  return row === undefined ? undefined : parseColumn<Prompt>(row, "value");
}

/** Prompts of a session, oldest first. */
export function selectPrompts(sql: Sql, sessionId: string): Prompt[] {
  return sql
    .exec("SELECT value FROM prompts WHERE session_id = ? ORDER BY position", sessionId)
    .map((row) => parseColumn<Prompt>(row, "value"));
}

/** The snapshot that clients of a feature room start from. Transcripts are read by session and page. */
export function selectFeatureState(sql: Sql): FeatureState {
  const all = <T>(table: string, order: string): T[] =>
    sql.exec(`SELECT value FROM ${table} ORDER BY ${order}`).map((row) => parseColumn<T>(row, "value"));
  return {
    sessions: all<Session>("sessions", "session_id"),
    prompts: all<Prompt>("prompts", "position"),
    turns: all<Turn>("turns", "position"),
    context: selectContext(sql),
  };
}

function decideOpenSession(context: Context, command: Command<"session.open">): DecideAnswer {
  const { session } = command;
  const known = selectFeatureSession(context.sql, session.sessionId);
  if (known === undefined) context.emit({ type: "session.opened", session });
  else if (known.state === "ended" && known.attemptId !== session.attemptId) {
    const { attemptId, state } = session;
    context.emit({
      type: "session.updated",
      session: { ...known, attemptId, state, endReason: null, endedAtMs: null },
    });
  }
  return accept({ sessionId: session.sessionId });
}

function findOpenSession(
  context: Context,
  sessionId: string,
): { type: "session"; session: Session } | DecideAnswer {
  const session = selectFeatureSession(context.sql, sessionId);
  if (session === undefined) return reject("session.not-found", `no session ${sessionId}`);
  if (session.state === "ended" || session.state === "lost") {
    return reject("session.ended", `session ${sessionId} is ${session.state}`);
  }
  return { type: "session", session };
}

function decideSubmitPrompt(context: Context, command: Command<"prompt.submit">): DecideAnswer {
  const found = findOpenSession(context, command.sessionId);
  if (found.type !== "session") return found;
  const prompt: Prompt = {
    promptId: context.newId("prompt"),
    sessionId: command.sessionId,
    author: command.author,
    text: command.text,
    ...(command.images === undefined ? {} : { images: command.images }),
    delivery: command.delivery,
    state: "queued",
    atMs: context.nowMs,
  };
  context.emit({ type: "prompt.queued", prompt });
  return accept({ promptId: prompt.promptId });
}

function decideStartTurn(context: Context, command: Command<"turn.start">): DecideAnswer {
  const found = findOpenSession(context, command.sessionId);
  if (found.type !== "session") return found;
  const prompt = selectOne<Prompt>(context.sql, "prompts", "prompt_id", command.promptId);
  if (prompt === undefined) return reject("prompt.not-found", `no prompt ${command.promptId}`);
  const turn: Turn = {
    turnId: context.newId("turn"),
    sessionId: command.sessionId,
    promptId: command.promptId,
    state: "active",
    reason: null,
    startedAtMs: context.nowMs,
    endedAtMs: null,
  };
  context.emit({ type: "prompt.taken", prompt: { ...prompt, state: "taken" } });
  context.emit({ type: "turn.started", turn });
  context.emit({ type: "session.updated", session: { ...found.session, state: "active" } });
  return accept({ turnId: turn.turnId });
}

function findActiveTurn(context: Context, turnId: string): { type: "turn"; turn: Turn } | DecideAnswer {
  const turn = selectOne<Turn>(context.sql, "turns", "turn_id", turnId);
  if (turn === undefined) return reject("turn.not-found", `no turn ${turnId}`);
  if (turn.state !== "active") return reject("turn.not-active", `turn ${turnId} has ended`);
  return { type: "turn", turn };
}

function nextIndex(sql: Sql, sessionId: string): number {
  const [row] = sql.exec(
    "SELECT COALESCE(MAX(position), 0) + 1 AS next FROM transcript WHERE session_id = ?",
    sessionId,
  );
  return row === undefined ? 1 : readNumber(row, "next");
}

function applyToSession(session: Session, event: AgentEvent): Session {
  if (event.type === "usage") return { ...session, usage: event.usage };
  if (event.type === "model.changed") return { ...session, model: event.model };
  if (event.type === "session.started") return { ...session, nativeSessionId: event.nativeSessionId };
  if (event.type === "permission.asked" || event.type === "question.asked")
    return { ...session, state: "waiting" };
  if (event.type === "permission.answered" || event.type === "question.answered") {
    return { ...session, state: "active" };
  }
  return session;
}

function decideAppendTurn(context: Context, command: Command<"turn.append">): DecideAnswer {
  const found = findActiveTurn(context, command.turnId);
  if (found.type !== "turn") return found;
  if (command.events.some((event) => isLiveOnly(event))) {
    return reject("command.invalid", "deltas are live only; append the finished message instead");
  }
  const session = selectFeatureSession(context.sql, command.sessionId);
  if (session === undefined) return reject("session.not-found", `no session ${command.sessionId}`);
  let index = nextIndex(context.sql, command.sessionId);
  let updated = session;
  for (const event of command.events) {
    const entry: TranscriptEntry = {
      sessionId: command.sessionId,
      turnId: command.turnId,
      index,
      atMs: context.nowMs,
      event,
    };
    context.emit({ type: "turn.appended", entry });
    updated = applyToSession(updated, event);
    index += 1;
  }
  if (updated !== session) context.emit({ type: "session.updated", session: updated });
  return accept({ lastIndex: index - 1 });
}

function endTurn(context: Context, turn: Turn, reason: NonNullable<Turn["reason"]>): void {
  context.emit({ type: "turn.ended", turn: { ...turn, state: "ended", reason, endedAtMs: context.nowMs } });
}

function decideEndTurn(context: Context, command: Command<"turn.end">): DecideAnswer {
  const found = findActiveTurn(context, command.turnId);
  if (found.type !== "turn") return found;
  endTurn(context, found.turn, command.reason);
  const session = selectFeatureSession(context.sql, command.sessionId);
  if (session !== undefined)
    context.emit({ type: "session.updated", session: { ...session, state: "idle" } });
  return accept();
}

function decideEndSession(context: Context, command: Command<"session.end">): DecideAnswer {
  const session = selectFeatureSession(context.sql, command.sessionId);
  if (session === undefined) return reject("session.not-found", `no session ${command.sessionId}`);
  if (session.state === "ended" || session.state === "lost") return accept();
  const open = context.sql.exec(
    "SELECT value FROM turns WHERE session_id = ? AND state = 'active'",
    session.sessionId,
  );
  for (const row of open)
    endTurn(context, parseColumn<Turn>(row, "value"), command.state === "lost" ? "lost" : "cancelled");
  context.emit({
    type: "session.ended",
    session: { ...session, state: command.state, endReason: command.reason, endedAtMs: context.nowMs },
  });
  return accept();
}

function writeSession(sql: Sql, { session }: { readonly session: Session }): void {
  sql.exec(
    "INSERT OR REPLACE INTO sessions (session_id, state, value) VALUES (?, ?, ?)",
    session.sessionId,
    session.state,
    JSON.stringify(session),
  );
}

function writePrompt(sql: Sql, { prompt }: { readonly prompt: Prompt }): void {
  sql.exec(
    `INSERT INTO prompts (prompt_id, session_id, state, position, value)
     VALUES (?, ?, ?, (SELECT COALESCE(MAX(position), 0) + 1 FROM prompts), ?)
     ON CONFLICT (prompt_id) DO UPDATE SET state = excluded.state, value = excluded.value`,
    prompt.promptId,
    prompt.sessionId,
    prompt.state,
    JSON.stringify(prompt),
  );
}

function writeTurn(sql: Sql, { turn }: { readonly turn: Turn }): void {
  sql.exec(
    `INSERT INTO turns (turn_id, session_id, state, position, value)
     VALUES (?, ?, ?, (SELECT COALESCE(MAX(position), 0) + 1 FROM turns), ?)
     ON CONFLICT (turn_id) DO UPDATE SET state = excluded.state, value = excluded.value`,
    turn.turnId,
    turn.sessionId,
    turn.state,
    JSON.stringify(turn),
  );
}

/** Sessions of a feature with their prompts, turns and transcript. */
export const turnFeature: RoomFeature<FeatureCommand, FeatureEvent> = {
  name: "turns",
  migrations: [
    {
      id: "turns-1",
      statements: [
        "CREATE TABLE sessions (session_id TEXT PRIMARY KEY, state TEXT NOT NULL, value TEXT NOT NULL)",
        `CREATE TABLE prompts (prompt_id TEXT PRIMARY KEY, session_id TEXT NOT NULL, state TEXT NOT NULL,
          position INTEGER NOT NULL, value TEXT NOT NULL)`,
        "CREATE INDEX prompts_by_session ON prompts (session_id, position)",
        `CREATE TABLE turns (turn_id TEXT PRIMARY KEY, session_id TEXT NOT NULL, state TEXT NOT NULL,
          position INTEGER NOT NULL, value TEXT NOT NULL)`,
        "CREATE INDEX turns_by_session ON turns (session_id, state)",
        `CREATE TABLE transcript (session_id TEXT NOT NULL, position INTEGER NOT NULL, value TEXT NOT NULL,
          PRIMARY KEY (session_id, position)) WITHOUT ROWID`,
      ],
    },
  ],
  tables: ["sessions", "prompts", "turns", "transcript"],
  decide: {
    "session.open": decideOpenSession,
    "prompt.submit": decideSubmitPrompt,
    "turn.start": decideStartTurn,
    "turn.append": decideAppendTurn,
    "turn.end": decideEndTurn,
    "session.end": decideEndSession,
  },
  project: {
    "session.opened": writeSession,
    "session.updated": writeSession,
    "session.ended": writeSession,
    "prompt.queued": writePrompt,
    "prompt.taken": writePrompt,
    "turn.started": writeTurn,
    "turn.ended": writeTurn,
    "turn.appended": (sql, { entry }) => {
      sql.exec(
        "INSERT OR REPLACE INTO transcript (session_id, position, value) VALUES (?, ?, ?)",
        entry.sessionId,
        entry.index,
        JSON.stringify(entry),
      );
    },
  },
};
