import type { Claim, ProjectEvent, Target, Ticket, TicketEnd, Touch } from "@canopy/protocol";
import type { Projections } from "../kernel/room-definition.ts";
import type { Migration, Sql, SqlValue } from "../kernel/sql.ts";
import { parseColumn, readNumber, readText } from "../kernel/sql.ts";
import { clearTimer, setTimer } from "../kernel/timers.ts";
import { listParents, targetsOverlap } from "./targets-overlap.ts";

/** Tables of the claims: what is held, who stands in line, which files were changed by whom. */
export const CLAIM_MIGRATIONS: readonly Migration[] = [
  {
    id: "claims-1",
    statements: [
      `CREATE TABLE claims (claim_id TEXT PRIMARY KEY, session_id TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
        fence INTEGER NOT NULL, value TEXT NOT NULL)`,
      "CREATE INDEX claims_by_key ON claims (kind, key)",
      "CREATE INDEX claims_by_session ON claims (session_id)",
      "CREATE TABLE claim_fence (id INTEGER PRIMARY KEY CHECK (id = 1), fence INTEGER NOT NULL)",
      `CREATE TABLE tickets (ticket_id TEXT PRIMARY KEY, position INTEGER NOT NULL, session_id TEXT NOT NULL,
        state TEXT NOT NULL, at_ms INTEGER NOT NULL, value TEXT NOT NULL)`,
      "CREATE INDEX tickets_by_state ON tickets (state, position)",
      `CREATE TABLE touches (session_id TEXT NOT NULL, worktree TEXT NOT NULL, key TEXT NOT NULL, at_ms INTEGER NOT NULL,
        seq INTEGER NOT NULL, PRIMARY KEY (session_id, worktree, key)) WITHOUT ROWID`,
      "CREATE INDEX touches_by_key ON touches (key, seq)",
    ],
  },
];

/** The tables that replay rebuilds. */
export const CLAIM_TABLES: readonly string[] = ["claims", "claim_fence", "tickets", "touches"];

function selectClaimsWhere(sql: Sql, where: string, ...bindings: readonly SqlValue[]): Claim[] {
  return sql
    .exec(`SELECT value FROM claims WHERE ${where} ORDER BY fence`, ...bindings)
    .map((row) => parseColumn<Claim>(row, "value"));
}

/** Every claim that is held, oldest grant first. */
export function selectClaims(sql: Sql): Claim[] {
  return selectClaimsWhere(sql, "1 = 1");
}

/** One claim that is held, or undefined. */
export function selectClaim(sql: Sql, claimId: string): Claim | undefined {
  return selectClaimsWhere(sql, "claim_id = ?", claimId)[0];
}

/** What a session holds, oldest grant first. */
export function selectClaimsOf(sql: Sql, sessionId: string): Claim[] {
  return selectClaimsWhere(sql, "session_id = ?", sessionId);
}

/** Claims on something that the target has in common with them, oldest grant first, in whichever work tree. */
export function selectOverlapping(sql: Sql, target: Target): Claim[] {
  if (target.kind === "resource") return selectClaimsWhere(sql, "kind = 'resource' AND key = ?", target.key);
  if (target.kind === "glob") {
    return selectClaimsWhere(sql, "kind <> 'resource'").filter((claim) =>
      targetsOverlap(claim.target, target),
    );
  }
  const parents = [...new Set([target.key, ...listParents(target.key)])].slice(0, 90);
  const marks = parents.map(() => "?").join(", ");
  const above = selectClaimsWhere(sql, `kind = 'directory' AND key IN (${marks})`, ...parents);
  const globs = selectClaimsWhere(sql, "kind = 'glob'");
  const here =
    target.kind === "path"
      ? selectClaimsWhere(sql, "kind = 'path' AND key = ?", target.key)
      : selectBelow(sql, target.key);
  const found = new Map<string, Claim>();
  for (const claim of [...above, ...here, ...globs]) {
    if (targetsOverlap(claim.target, target)) found.set(claim.claimId, claim);
  }
  return [...found.values()].sort((a, b) => a.fence - b.fence);
}

function selectBelow(sql: Sql, directory: string): Claim[] {
  if (directory === "") return selectClaimsWhere(sql, "kind IN ('path', 'directory')");
  const start = directory.endsWith("/") ? directory : `${directory}/`;
  // "0" is the character after "/".
  return selectClaimsWhere(
    sql,
    "kind IN ('path', 'directory') AND key >= ? AND key < ?",
    start,
    `${start.slice(0, -1)}0`,
  );
}

/** The fence of the next grant. */
export function nextFence(sql: Sql): number {
  const [row] = sql.exec("SELECT fence FROM claim_fence");
  return row === undefined ? 1 : readNumber(row, "fence") + 1;
}

/** Those who stand in line, first comer first. */
export function selectTickets(sql: Sql): Ticket[] {
  return sql
    .exec("SELECT value FROM tickets WHERE state = 'queued' ORDER BY position")
    .map((row) => parseColumn<Ticket>(row, "value"));
}

/** One place in the line and how it ended, or undefined. */
export function selectTicket(
  sql: Sql,
  ticketId: string,
): { readonly ticket: Ticket; readonly state: "queued" | TicketEnd } | undefined {
  const [row] = sql.exec("SELECT state, value FROM tickets WHERE ticket_id = ?", ticketId);
  if (row === undefined) return undefined;
  return { ticket: parseColumn<Ticket>(row, "value"), state: readText(row, "state") as "queued" | TicketEnd };
}

/** Who last changed a file since a point in the journal, other than `exceptId`; newest first. */
export function selectTouchesSince(sql: Sql, key: string, seq: number, exceptId: string): Touch[] {
  return sql
    .exec(
      `SELECT session_id, worktree, key, at_ms FROM touches WHERE key = ? AND seq > ? AND session_id <> ?
       ORDER BY seq DESC LIMIT 20`,
      key,
      seq,
      exceptId,
    )
    .map((row) => toTouch(row));
}

/** Files that a session changed in a work tree, by path. */
export function selectTouchesOf(sql: Sql, sessionId: string): Touch[] {
  return sql
    .exec("SELECT session_id, worktree, key, at_ms FROM touches WHERE session_id = ? ORDER BY key", sessionId)
    .map((row) => toTouch(row));
}

/** When a session last changed a file, in ms, or null. */
export function selectTouchedAt(
  sql: Sql,
  touch: Pick<Touch, "sessionId" | "worktree" | "key">,
): number | null {
  const [row] = sql.exec(
    "SELECT at_ms FROM touches WHERE session_id = ? AND worktree = ? AND key = ?",
    touch.sessionId,
    touch.worktree,
    touch.key,
  );
  return row === undefined ? null : readNumber(row, "at_ms");
}

function toTouch(row: Readonly<Record<string, SqlValue>>): Touch {
  return {
    sessionId: readText(row, "session_id") as Touch["sessionId"],
    worktree: readText(row, "worktree"),
    key: readText(row, "key"),
    atMs: readNumber(row, "at_ms"),
  };
}

function writeClaim(sql: Sql, claim: Claim): void {
  sql.exec(
    `INSERT INTO claims (claim_id, session_id, kind, key, fence, value) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (claim_id) DO UPDATE SET value = excluded.value`,
    claim.claimId,
    claim.sessionId,
    claim.target.kind,
    claim.target.key,
    claim.fence,
    JSON.stringify(claim),
  );
  setTimer(sql, `claims:${claim.claimId}`, Math.min(claim.expiresAtMs, claim.reservedUntilMs ?? Infinity));
}

/** Event -> table writes of the claims. */
export const CLAIM_PROJECTIONS: Projections<ProjectEvent> = {
  "claim.granted": (sql, { claim }) => {
    writeClaim(sql, claim);
    sql.exec(
      "INSERT INTO claim_fence (id, fence) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET fence = excluded.fence",
      claim.fence,
    );
  },
  "claim.updated": (sql, { claim }) => writeClaim(sql, claim),
  "claim.ended": (sql, { claim }) => {
    sql.exec("DELETE FROM claims WHERE claim_id = ?", claim.claimId);
    clearTimer(sql, `claims:${claim.claimId}`);
  },
  "ticket.queued": (sql, { ticket }) => {
    sql.exec(
      `INSERT INTO tickets (ticket_id, position, session_id, state, at_ms, value)
       VALUES (?, (SELECT COALESCE(MAX(position), 0) + 1 FROM tickets), ?, 'queued', ?, ?)`,
      ticket.ticketId,
      ticket.sessionId,
      ticket.queuedAtMs,
      JSON.stringify(ticket),
    );
    setTimer(sql, `tickets:${ticket.ticketId}`, ticket.expiresAtMs);
  },
  "ticket.ended": (sql, { ticket, how }, { atMs }) => {
    sql.exec("UPDATE tickets SET state = ?, at_ms = ? WHERE ticket_id = ?", how, atMs, ticket.ticketId);
    clearTimer(sql, `tickets:${ticket.ticketId}`);
  },
  "files.touched": (sql, { touches }, { seq }) => {
    for (const touch of touches) {
      sql.exec(
        `INSERT INTO touches (session_id, worktree, key, at_ms, seq) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (session_id, worktree, key) DO UPDATE SET at_ms = excluded.at_ms, seq = excluded.seq`,
        touch.sessionId,
        touch.worktree,
        touch.key,
        touch.atMs,
        seq,
      );
    }
  },
  "coordination.pruned": (sql, { beforeMs }) => {
    sql.exec("DELETE FROM tickets WHERE state <> 'queued' AND at_ms < ?", beforeMs);
    sql.exec("DELETE FROM touches WHERE at_ms < ?", beforeMs);
  },
};
