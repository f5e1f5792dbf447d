import type { Actor, EventEnvelope, Json, Rejection } from "@canopy/protocol";
import type { Migration, Sql, SqlRow } from "./sql.ts";
import { parseColumn, readNumber, readText } from "./sql.ts";

/** Tables that every room has: its journal, the answers it gave, and how far its links have read. */
export const JOURNAL_MIGRATIONS: readonly Migration[] = [
  {
    id: "journal-1",
    statements: [
      `CREATE TABLE journal (
        seq INTEGER PRIMARY KEY, type TEXT NOT NULL, version INTEGER NOT NULL, at_ms INTEGER NOT NULL,
        actor_kind TEXT NOT NULL, actor_id TEXT NOT NULL, command_key TEXT NOT NULL, payload TEXT NOT NULL)`,
      "CREATE TABLE answers (key TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, answer TEXT NOT NULL)",
      "CREATE INDEX answers_by_time ON answers (at_ms)",
      "CREATE TABLE link_cursors (link TEXT PRIMARY KEY, seq INTEGER NOT NULL)",
      "CREATE TABLE presence (id TEXT PRIMARY KEY, seen_at_ms INTEGER NOT NULL)",
    ],
  },
];

/** Answer to a command. `seq` is the room's last sequence number after it. */
export type SubmitAnswer =
  | { readonly type: "accepted"; readonly seq: number; readonly result: Json }
  | Rejection;

/** The last sequence number, 0 for an empty journal. */
export function selectLastSeq(sql: Sql): number {
  const [row] = sql.exec("SELECT MAX(seq) AS seq FROM journal");
  return row === undefined || row["seq"] === null ? 0 : readNumber(row, "seq");
}

/**
 * Types of the events of the command that is being decided, as far as they were emitted; null when there are more than
 * `limit`. For reactions, which run after something was emitted.
 */
export function selectTypesOfCommand(sql: Sql, limit: number): ReadonlySet<string> | null {
  const rows = sql.exec("SELECT type, command_key FROM journal ORDER BY seq DESC LIMIT ?", limit + 1);
  const [last] = rows;
  const types = new Set<string>();
  for (const row of rows) {
    if (row["command_key"] !== last?.["command_key"]) return types;
    types.add(readText(row, "type"));
  }
  return rows.length > limit ? null : types;
}

/** What is needed to append one event. */
export interface JournalEntry {
  readonly seq: number;
  readonly type: string;
  readonly version: number;
  readonly atMs: number;
  readonly actor: Actor;
  readonly commandKey: string;
  readonly payload: Json;
}

/** Appends one event. */
export function appendEvent(sql: Sql, entry: JournalEntry): void {
  sql.exec(
    "INSERT INTO journal (seq, type, version, at_ms, actor_kind, actor_id, command_key, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    entry.seq,
    entry.type,
    entry.version,
    entry.atMs,
    entry.actor.kind,
    entry.actor.id,
    entry.commandKey,
    JSON.stringify(entry.payload),
  );
}

function parseActorKind(kind: string): Actor["kind"] {
  if (kind === "person" || kind === "agent" || kind === "runner") return kind;
  return "system";
}

function parseEventRow(row: SqlRow): EventEnvelope {
  return {
    seq: readNumber(row, "seq"),
    type: readText(row, "type"),
    version: readNumber(row, "version"),
    atMs: readNumber(row, "at_ms"),
    actor: { kind: parseActorKind(readText(row, "actor_kind")), id: readText(row, "actor_id") },
    commandKey: readText(row, "command_key"),
    payload: parseColumn<EventEnvelope["payload"]>(row, "payload"),
  };
}

/** Events after `seq` in order, at most `limit`. */
export function selectEventsAfter(sql: Sql, seq: number, limit: number): EventEnvelope[] {
  return sql
    .exec("SELECT * FROM journal WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit)
    .map((row) => parseEventRow(row));
}

/** The answer that was given to a command key before, if it is still kept. */
export function selectAnswer(sql: Sql, key: string): SubmitAnswer | undefined {
  const [row] = sql.exec("SELECT answer FROM answers WHERE key = ?", key);
  return row === undefined ? undefined : parseColumn<SubmitAnswer>(row, "answer");
}

/** Keeps an answer for a second delivery of its key. */
export function insertAnswer(sql: Sql, key: string, atMs: number, answer: SubmitAnswer): void {
  sql.exec("INSERT INTO answers (key, at_ms, answer) VALUES (?, ?, ?)", key, atMs, JSON.stringify(answer));
}

/** Forgets answers given before `beforeMs`; returns how many. */
export function deleteAnswersBefore(sql: Sql, beforeMs: number): number {
  const [row] = sql.exec("SELECT COUNT(*) AS count FROM answers WHERE at_ms < ?", beforeMs);
  sql.exec("DELETE FROM answers WHERE at_ms < ?", beforeMs);
  return row === undefined ? 0 : readNumber(row, "count");
}

/** How far a link has read this room's journal. */
export function selectLinkCursor(sql: Sql, link: string): number {
  const [row] = sql.exec("SELECT seq FROM link_cursors WHERE link = ?", link);
  return row === undefined ? 0 : readNumber(row, "seq");
}

/** Moves a link's cursor. */
export function writeLinkCursor(sql: Sql, link: string, seq: number): void {
  sql.exec(
    "INSERT INTO link_cursors (link, seq) VALUES (?, ?) ON CONFLICT (link) DO UPDATE SET seq = excluded.seq",
    link,
    seq,
  );
}

/** Notes that somebody is alive: volatile, not part of the journal. */
export function writePresence(sql: Sql, id: string, nowMs: number): void {
  sql.exec(
    "INSERT INTO presence (id, seen_at_ms) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET seen_at_ms = excluded.seen_at_ms",
    id,
    nowMs,
  );
}

/** When somebody was last seen alive, in ms, or null. */
export function selectPresence(sql: Sql, id: string): number | null {
  const [row] = sql.exec("SELECT seen_at_ms FROM presence WHERE id = ?", id);
  return row === undefined ? null : readNumber(row, "seen_at_ms");
}
