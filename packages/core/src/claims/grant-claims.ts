import type { Claim, ClaimEnd, ProjectEvent, Target, Ticket, TicketEnd } from "@canopy/protocol";
import { assert } from "@canopy/protocol";
import type { DecideContext } from "../kernel/room-definition.ts";
import { isLive, selectPresent } from "../presence/presence-rows.ts";
import { nextFence, selectClaims, selectClaimsOf, selectTickets } from "./claim-rows.ts";
import type { Want } from "./find-blockers.ts";
import { findBlockers, findOwn, groundOf, selectConflicting } from "./find-blockers.ts";

type Context = DecideContext<ProjectEvent>;

/** How long a claim that was handed over waits to be taken up, in ms. */
export const RESERVE_MS = 120_000;

/** What a grant is like, besides what it is on. */
export interface Grant extends Want {
  readonly reason: string;
  readonly ttlMs: number;
  readonly isAutomatic: boolean;
  readonly isReserved: boolean;
}

/** Emits the end of a claim. */
export function endClaim(context: Context, claim: Claim, how: ClaimEnd, detail = ""): void {
  context.emit({ type: "claim.ended", claim, how, detail });
}

/** Emits the end of a place in the line. */
export function endTicket(context: Context, ticket: Ticket, how: TicketEnd): void {
  context.emit({ type: "ticket.ended", ticket, how });
}

/** The claim as it is after its holder used it: renewed when less than half of its time is left, and taken up. */
export function useClaim(context: Context, claim: Claim, ttlMs: number): Claim {
  const expiresAtMs = Math.max(claim.expiresAtMs, context.nowMs + ttlMs);
  const isWorthSaying = claim.reservedUntilMs !== null || claim.expiresAtMs - context.nowMs < ttlMs / 2;
  if (!isWorthSaying) return claim;
  const used: Claim = { ...claim, renewedAtMs: context.nowMs, expiresAtMs, reservedUntilMs: null };
  context.emit({ type: "claim.updated", claim: used });
  return used;
}

function grantOne(context: Context, grant: Grant, target: Target): Claim {
  const own = findOwn(context.sql, grant, target);
  if (own !== undefined) {
    const stronger = own.mode === "exclusive" || grant.mode === "intent" ? own.mode : grant.mode;
    const reason = grant.reason === "" ? own.reason : grant.reason;
    const isAutomatic = own.isAutomatic && grant.isAutomatic;
    if (stronger === own.mode && reason === own.reason && isAutomatic === own.isAutomatic)
      return useClaim(context, own, grant.ttlMs);
    const claim: Claim = {
      ...own,
      mode: stronger,
      reason,
      isAutomatic,
      renewedAtMs: context.nowMs,
      expiresAtMs: Math.max(own.expiresAtMs, context.nowMs + grant.ttlMs),
      reservedUntilMs: null,
    };
    context.emit({ type: "claim.updated", claim });
    return claim;
  }
  const claim: Claim = {
    claimId: context.newId("claim"),
    sessionId: grant.sessionId as Claim["sessionId"],
    target,
    mode: grant.mode,
    worktree: groundOf(target, grant.worktree),
    reason: grant.reason,
    isAutomatic: grant.isAutomatic,
    fence: nextFence(context.sql),
    grantedAtMs: context.nowMs,
    renewedAtMs: context.nowMs,
    expiresAtMs: context.nowMs + grant.ttlMs,
    reservedUntilMs: grant.isReserved ? context.nowMs + RESERVE_MS : null,
  };
  context.emit({ type: "claim.granted", claim });
  return claim;
}

/** Emits the grant of every target. What holders that give no sign of life had on them ends. Nothing may block. */
export function grantAll(context: Context, grant: Grant): Claim[] {
  return grant.targets.map((target) => {
    for (const dead of selectConflicting(context.sql, grant, target)) {
      assert(!isLive(context.sql, dead.sessionId), `${dead.claimId} is in the way of a grant`);
      const holder = selectPresent(context.sql, dead.sessionId);
      endClaim(
        context,
        dead,
        "holder-lost",
        `@${holder?.presence.handle ?? dead.sessionId} gave no sign of life`,
      );
    }
    return grantOne(context, grant, target);
  });
}

function letNextIn(context: Context): void {
  const tickets = selectTickets(context.sql);
  const before: Ticket[] = [];
  for (const ticket of tickets) {
    if (findBlockers(context.sql, ticket, [], context.nowMs).length === 0 && !isBehind(ticket, before)) {
      grantAll(context, { ...ticket, isAutomatic: false, isReserved: true });
      endTicket(context, ticket, "granted");
    } else before.push(ticket);
  }

  function isBehind(ticket: Ticket, earlier: readonly Ticket[]): boolean {
    return earlier.length > 0 && findBlockers(context.sql, ticket, earlier, context.nowMs).length > 0;
  }
}

/** Recomputed after every command: what ended sessions held is free, and who stands in line gets what is free. */
export function settleClaims(context: Context): void {
  for (const ticket of selectTickets(context.sql)) {
    if (selectPresent(context.sql, ticket.sessionId)?.state === "ended")
      endTicket(context, ticket, "session-ended");
  }
  const [stale] = context.sql.exec(
    "SELECT 1 AS found FROM claims JOIN presences USING (session_id) WHERE state = 'ended' LIMIT 1",
  );
  if (stale !== undefined) {
    for (const claim of selectClaims(context.sql)) {
      if (selectPresent(context.sql, claim.sessionId)?.state === "ended")
        endClaim(context, claim, "session-ended");
    }
  }
  letNextIn(context);
}

/** A claim's time is over, or it was handed over and not taken up. */
export function expireClaim(context: Context, claim: Claim): void {
  const isReserved = claim.reservedUntilMs !== null && claim.reservedUntilMs <= context.nowMs;
  if (claim.expiresAtMs <= context.nowMs) endClaim(context, claim, "expired");
  else if (isReserved) endClaim(context, claim, "not-taken-up");
}

/** Uses every reserved claim of a session: it is at work again. */
export function takeUpReserved(context: Context, sessionId: string): void {
  if (!isLive(context.sql, sessionId)) return;
  for (const claim of selectClaimsOf(context.sql, sessionId)) {
    if (claim.reservedUntilMs !== null) useClaim(context, claim, claim.expiresAtMs - claim.renewedAtMs);
  }
}
