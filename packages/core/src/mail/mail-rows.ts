import type { Delivery, Message, ProjectEvent } from "@canopy/protocol";
import type { Projections } from "../kernel/room-definition.ts";
import type { Migration, Sql, SqlRow, SqlValue } from "../kernel/sql.ts";
import { parseColumn, readNumber } from "../kernel/sql.ts";
import { clearTimer, setTimer } from "../kernel/timers.ts";
import { noteActivity } from "../presence/presence-rows.ts";

/** Tables of the mail: messages, one row for each recipient, and how far each session was told the feed. */
export const MAIL_MIGRATIONS: readonly Migration[] = [
  {
    id: "mail-1",
    statements: [
      `CREATE TABLE messages (message_id TEXT PRIMARY KEY, thread_id TEXT NOT NULL, reply_to TEXT, from_session TEXT,
        kind TEXT NOT NULL, at_ms INTEGER NOT NULL, value TEXT NOT NULL) WITHOUT ROWID`,
      "CREATE INDEX messages_by_thread ON messages (thread_id, at_ms)",
      "CREATE INDEX messages_by_reply ON messages (reply_to)",
      `CREATE TABLE deliveries (session_id TEXT NOT NULL, message_id TEXT NOT NULL, state TEXT NOT NULL,
        epoch INTEGER NOT NULL, value TEXT NOT NULL, PRIMARY KEY (session_id, message_id)) WITHOUT ROWID`,
      "CREATE INDEX deliveries_by_message ON deliveries (message_id)",
      "CREATE INDEX deliveries_by_state ON deliveries (session_id, state)",
      `CREATE TABLE digests (session_id TEXT PRIMARY KEY, epoch INTEGER NOT NULL, feed_seq INTEGER NOT NULL) WITHOUT ROWID`,
    ],
  },
];

/** The tables that replay rebuilds. */
export const MAIL_TABLES: readonly string[] = ["messages", "deliveries", "digests"];

function toMessages(rows: readonly SqlRow[]): Message[] {
  return rows.map((row) => parseColumn<Message>(row, "value"));
}

/** One message, or undefined. */
export function selectMessage(sql: Sql, messageId: string): Message | undefined {
  return toMessages(sql.exec("SELECT value FROM messages WHERE message_id = ?", messageId))[0];
}

/** Messages whose id is, or has a part, as given. */
export function selectMessagesByReference(sql: Sql, reference: string): Message[] {
  const exact = selectMessage(sql, reference);
  if (exact !== undefined) return [exact];
  if (reference.length < 4) return [];
  return toMessages(
    sql.exec("SELECT value FROM messages WHERE instr(message_id, ?) > 0 ORDER BY at_ms LIMIT 10", reference),
  );
}

/** The messages of a thread, oldest first. */
export function selectThread(sql: Sql, threadId: string): Message[] {
  return toMessages(
    sql.exec("SELECT value FROM messages WHERE thread_id = ? ORDER BY at_ms, message_id LIMIT 500", threadId),
  );
}

/** The newest messages of all, newest first. */
export function selectRecentMessages(sql: Sql, limit: number): Message[] {
  return toMessages(
    sql.exec("SELECT value FROM messages ORDER BY at_ms DESC, message_id DESC LIMIT ?", limit),
  );
}

/** Answers to a message, oldest first. */
export function selectReplies(sql: Sql, messageId: string): Message[] {
  return toMessages(
    sql.exec("SELECT value FROM messages WHERE reply_to = ? ORDER BY at_ms, message_id LIMIT 100", messageId),
  );
}

/** A message on its way to a session. */
export interface DeliveredMessage {
  readonly message: Message;
  readonly delivery: Delivery;
}

function selectDelivered(sql: Sql, where: string, ...bindings: readonly SqlValue[]): DeliveredMessage[] {
  return sql
    .exec(
      `SELECT deliveries.value AS delivery, messages.value AS message FROM deliveries JOIN messages USING (message_id)
       WHERE ${where}`,
      ...bindings,
    )
    .map((row) => ({
      delivery: parseColumn<Delivery>(row, "delivery"),
      message: parseColumn<Message>(row, "message"),
    }));
}

const UNTOLD = "deliveries.session_id = ? AND (state = 'queued' OR (state = 'injected' AND epoch < ?))";
/** As many as a digest can hold, and some more. */
const MAX_UNTOLD = 100;

/**
 * What a session has to be told: what it was never told, and what an earlier epoch was told and never acknowledged. The
 * hundred most urgent, then oldest.
 */
export function selectUntold(sql: Sql, sessionId: string, epoch: number): DeliveredMessage[] {
  return selectDelivered(
    sql,
    `${UNTOLD} ORDER BY json_extract(messages.value, '$.priority') = 'high' DESC,
       messages.kind IN ('request-yield', 'question') DESC, messages.at_ms, messages.message_id LIMIT ${MAX_UNTOLD}`,
    sessionId,
    epoch,
  );
}

/** How many messages a session has to be told. */
export function countUntold(sql: Sql, sessionId: string, epoch: number): number {
  const [row] = sql.exec(`SELECT COUNT(*) AS count FROM deliveries WHERE ${UNTOLD}`, sessionId, epoch);
  return row === undefined ? 0 : readNumber(row, "count");
}

/** Mail of a session that it has not acknowledged, oldest first. */
export function selectUnacknowledged(sql: Sql, sessionId: string, limit: number): DeliveredMessage[] {
  return selectDelivered(
    sql,
    `deliveries.session_id = ? AND state IN ('queued', 'injected')
     ORDER BY messages.at_ms, messages.message_id LIMIT ?`,
    sessionId,
    limit,
  );
}

/** All mail of a session, newest first. */
export function selectMailOf(sql: Sql, sessionId: string, limit: number): DeliveredMessage[] {
  return selectDelivered(
    sql,
    "deliveries.session_id = ? ORDER BY messages.at_ms DESC, messages.message_id DESC LIMIT ?",
    sessionId,
    limit,
  );
}

/** All deliveries of a message. */
export function selectDeliveriesOf(sql: Sql, messageId: string): DeliveredMessage[] {
  return selectDelivered(sql, "deliveries.message_id = ? ORDER BY deliveries.session_id", messageId);
}

/** How far a session was told the feed, and in which epoch; nothing yet: 0. */
export function selectDigestCursor(
  sql: Sql,
  sessionId: string,
): { readonly epoch: number; readonly feedSeq: number } {
  const [row] = sql.exec("SELECT epoch, feed_seq FROM digests WHERE session_id = ?", sessionId);
  return row === undefined
    ? { epoch: 0, feedSeq: 0 }
    : { epoch: readNumber(row, "epoch"), feedSeq: readNumber(row, "feed_seq") };
}

/** True when a session has mail of that kind which it was never told. */
export function hasQueuedMail(
  sql: Sql,
  sessionId: string,
  filter: { readonly from: string | null; readonly kind: string | null },
): boolean {
  return (
    sql.exec(
      `SELECT 1 AS found FROM deliveries JOIN messages USING (message_id)
       WHERE deliveries.session_id = ? AND state = 'queued' AND (? IS NULL OR from_session = ?)
         AND (? IS NULL OR kind = ?) LIMIT 1`,
      sessionId,
      filter.from,
      filter.from,
      filter.kind,
      filter.kind,
    ).length > 0
  );
}

function writeMessage(sql: Sql, message: Message): void {
  sql.exec(
    `INSERT INTO messages (message_id, thread_id, reply_to, from_session, kind, at_ms, value)
     VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (message_id) DO UPDATE SET value = excluded.value`,
    message.messageId,
    message.threadId,
    message.replyTo,
    message.from,
    message.kind,
    message.atMs,
    JSON.stringify(message),
  );
  const promisedMs = message.yield?.state === "after" ? message.yield.afterMs : null;
  const dueMs = Math.min(message.expiresAtMs, message.deadlineAtMs ?? Infinity, promisedMs ?? Infinity);
  if (dueMs === Infinity) clearTimer(sql, `mail:${message.messageId}`);
  else setTimer(sql, `mail:${message.messageId}`, dueMs);
}

function writeDelivery(sql: Sql, delivery: Delivery): void {
  sql.exec(
    `INSERT INTO deliveries (session_id, message_id, state, epoch, value) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (session_id, message_id) DO UPDATE SET state = excluded.state, epoch = excluded.epoch,
       value = excluded.value`,
    delivery.sessionId,
    delivery.messageId,
    delivery.state,
    delivery.epoch,
    JSON.stringify(delivery),
  );
}

/** Event -> table writes of the mail. */
export const MAIL_PROJECTIONS: Projections<ProjectEvent> = {
  "message.sent": (sql, { message }, { atMs }) => {
    writeMessage(sql, message);
    for (const sessionId of message.recipients) {
      writeDelivery(sql, {
        messageId: message.messageId,
        sessionId,
        state: "queued",
        epoch: 0,
        where: null,
        atMs,
      });
    }
    if (message.from === null) {
      // A person has spoken: what the agents said to each other before no longer counts as idle talk.
      for (const sessionId of message.recipients)
        sql.exec("DELETE FROM activity WHERE session_id = ? AND kind = 'talk'", sessionId);
      return;
    }
    const kind = message.recipients.length > 1 ? "broadcast" : "message";
    noteActivity(sql, { sessionId: message.from, kind }, atMs);
    const [peer] = message.recipients;
    if (message.recipients.length === 1 && peer !== undefined)
      noteActivity(sql, { sessionId: message.from, kind: "talk", peer }, atMs);
  },
  "message.updated": (sql, { message }) => writeMessage(sql, message),
  "message.moved": (sql, { deliveries }) => {
    for (const delivery of deliveries) writeDelivery(sql, delivery);
  },
  "digest.taken": (sql, { sessionId, epoch, feedSeq }) => {
    sql.exec(
      `INSERT INTO digests (session_id, epoch, feed_seq) VALUES (?, ?, ?)
       ON CONFLICT (session_id) DO UPDATE SET epoch = excluded.epoch, feed_seq = excluded.feed_seq`,
      sessionId,
      epoch,
      feedSeq,
    );
  },
  "coordination.pruned": (sql, { beforeMs }) => {
    const old = "SELECT message_id FROM messages WHERE at_ms < ?";
    sql.exec(
      `DELETE FROM timers WHERE key IN (SELECT 'mail:' || message_id FROM messages WHERE at_ms < ?)`,
      beforeMs,
    );
    sql.exec(`DELETE FROM deliveries WHERE message_id IN (${old})`, beforeMs);
    sql.exec("DELETE FROM messages WHERE at_ms < ?", beforeMs);
    sql.exec("DELETE FROM digests WHERE session_id NOT IN (SELECT session_id FROM presences)");
  },
};
