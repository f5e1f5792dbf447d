import type { Blocker, Claim, ClaimMode, MergeRisk, Target, Ticket } from "@canopy/protocol";
import type { Sql } from "../kernel/sql.ts";
import { isLive, selectPresent } from "../presence/presence-rows.ts";
import { selectOverlapping, selectTickets } from "./claim-rows.ts";
import { targetsOverlap } from "./targets-overlap.ts";

/** What a session wants, and where. */
export interface Want {
  readonly sessionId: string;
  readonly targets: readonly Target[];
  readonly mode: ClaimMode;
  readonly worktree: string | null;
}

/** True when two claims on the same thing cannot both be held. */
export function modesConflict(a: ClaimMode, b: ClaimMode): boolean {
  return a !== "intent" && b !== "intent" && (a === "exclusive" || b === "exclusive");
}

/** True when a claim in one work tree reaches into another: only one of the whole repository does. */
export function sameGround(a: string | null, b: string | null): boolean {
  return a === null || b === null || a === b;
}

/** Where a target excludes: a resource is one for all work trees. */
export function groundOf(target: Target, worktree: string | null): string | null {
  return target.kind === "resource" ? null : worktree;
}

/** Claims of others that keep a session from a target, alive or not, oldest first. */
export function selectConflicting(sql: Sql, want: Omit<Want, "targets">, target: Target): Claim[] {
  const ground = groundOf(target, want.worktree);
  return selectOverlapping(sql, target).filter(
    (claim) =>
      claim.sessionId !== want.sessionId &&
      modesConflict(claim.mode, want.mode) &&
      sameGround(claim.worktree, ground),
  );
}

/** Places in the line, of others, that come before what a session wants. */
export function selectAhead(
  tickets: readonly Ticket[],
  want: Omit<Want, "targets">,
  target: Target,
): Ticket[] {
  const ground = groundOf(target, want.worktree);
  return tickets.filter(
    (ticket) =>
      ticket.sessionId !== want.sessionId &&
      modesConflict(ticket.mode, want.mode) &&
      ticket.targets.some(
        (other) => targetsOverlap(other, target) && sameGround(groundOf(other, ticket.worktree), ground),
      ),
  );
}

function describeClaim(sql: Sql, claim: Claim, tickets: readonly Ticket[], nowMs: number): Blocker {
  const holder = selectPresent(sql, claim.sessionId);
  return {
    target: claim.target,
    sessionId: claim.sessionId,
    handle: holder?.presence.handle ?? claim.sessionId,
    state: holder?.state ?? "ended",
    mode: claim.mode,
    reason: claim.reason,
    heldForMs: nowMs - claim.grantedAtMs,
    remainingMs: Math.max(0, claim.expiresAtMs - nowMs),
    claimId: claim.claimId,
    queueLength: tickets.filter((ticket) =>
      ticket.targets.some((target) => targetsOverlap(target, claim.target)),
    ).length,
  };
}

function describeTicket(sql: Sql, ticket: Ticket, target: Target, nowMs: number): Blocker {
  const waiter = selectPresent(sql, ticket.sessionId);
  return {
    target,
    sessionId: ticket.sessionId,
    handle: waiter?.presence.handle ?? ticket.sessionId,
    state: "waiting",
    mode: ticket.mode,
    reason: ticket.reason,
    heldForMs: nowMs - ticket.queuedAtMs,
    remainingMs: Math.max(0, ticket.expiresAtMs - nowMs),
    claimId: null,
    queueLength: 0,
  };
}

/** True when a session already holds just this target, in at least this mode. */
export function findOwn(sql: Sql, want: Omit<Want, "targets">, target: Target): Claim | undefined {
  const ground = groundOf(target, want.worktree);
  return selectOverlapping(sql, target).find(
    (claim) =>
      claim.sessionId === want.sessionId &&
      claim.target.kind === target.kind &&
      claim.target.key === target.key &&
      claim.worktree === ground,
  );
}

/**
 * Everything that keeps a session from what it wants: claims of live sessions, and (unless `tickets` is empty) those
 * who stood in line before. Who holds a target already does not wait behind the line for it.
 */
export function findBlockers(sql: Sql, want: Want, tickets: readonly Ticket[], nowMs: number): Blocker[] {
  const allTickets = tickets.length === 0 ? selectTickets(sql) : tickets;
  return want.targets.flatMap((target) => {
    const claims = selectConflicting(sql, want, target)
      .filter((claim) => isLive(sql, claim.sessionId))
      .map((claim) => describeClaim(sql, claim, allTickets, nowMs));
    const ahead =
      tickets.length === 0 || findOwn(sql, want, target) !== undefined
        ? []
        : selectAhead(tickets, want, target).map((ticket) => describeTicket(sql, ticket, target, nowMs));
    return [...claims, ...ahead];
  });
}

/** Live sessions that hold the same files in other work trees: what they do will have to be merged. */
export function findRisks(sql: Sql, want: Want): MergeRisk[] {
  return want.targets.flatMap((target) => {
    if (target.kind === "resource" || want.worktree === null) return [];
    return selectOverlapping(sql, target)
      .filter((claim) => claim.sessionId !== want.sessionId && claim.worktree !== null)
      .filter((claim) => claim.worktree !== want.worktree && isLive(sql, claim.sessionId))
      .map((claim): MergeRisk => {
        const holder = selectPresent(sql, claim.sessionId);
        return {
          target: claim.target,
          sessionId: claim.sessionId,
          handle: holder?.presence.handle ?? claim.sessionId,
          worktree: claim.worktree ?? "",
          branch: holder?.presence.branch ?? null,
        };
      });
  });
}
