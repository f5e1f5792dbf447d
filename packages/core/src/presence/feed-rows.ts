import type { FeedItem } from "@canopy/protocol";
import type { EventPosition } from "../kernel/room-definition.ts";
import type { Sql, SqlRow } from "../kernel/sql.ts";
import { readNumber, readText, readTextOrNull } from "../kernel/sql.ts";

/** Lines that the feed keeps. */
export const FEED_LINES = 1000;

function toItem(row: SqlRow): FeedItem {
  return {
    seq: readNumber(row, "seq"),
    atMs: readNumber(row, "at_ms"),
    kind: readText(row, "kind"),
    sessionId: readTextOrNull(row, "session_id") as FeedItem["sessionId"],
    worktree: readTextOrNull(row, "worktree"),
    text: readText(row, "text"),
  };
}

/** Adds a line to the feed; the oldest goes when it is full. Called from projections only. */
export function writeFeed(sql: Sql, at: EventPosition, item: Omit<FeedItem, "seq" | "atMs">): void {
  sql.exec(
    "INSERT OR REPLACE INTO feed (seq, at_ms, kind, session_id, worktree, text) VALUES (?, ?, ?, ?, ?, ?)",
    at.seq,
    at.atMs,
    item.kind,
    item.sessionId,
    item.worktree,
    item.text,
  );
  sql.exec(
    "DELETE FROM feed WHERE seq <= (SELECT seq FROM feed ORDER BY seq DESC LIMIT 1 OFFSET ?)",
    FEED_LINES,
  );
}

/** Lines of the feed after a point, oldest first, at most the last `limit`. */
export function selectFeedAfter(sql: Sql, seq: number, limit: number): FeedItem[] {
  return sql
    .exec("SELECT * FROM feed WHERE seq > ? ORDER BY seq DESC LIMIT ?", seq, limit)
    .map((row) => toItem(row))
    .reverse();
}

/** Sequence number of the feed's last line, 0 when it is empty. */
export function selectLastFeedSeq(sql: Sql): number {
  const [row] = sql.exec("SELECT seq FROM feed ORDER BY seq DESC LIMIT 1");
  return row === undefined ? 0 : readNumber(row, "seq");
}
