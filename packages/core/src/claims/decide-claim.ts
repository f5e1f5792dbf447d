import type {
  Claim,
  ClaimAnswer,
  ProjectCommand,
  ProjectEvent,
  Rejection,
  Target,
  Ticket,
} from "@canopy/protocol";
import { reject } from "@canopy/protocol";
import type { DecideAnswer, DecideContext } from "../kernel/room-definition.ts";
import { accept, acceptOnce } from "../kernel/room-definition.ts";
import { requireActing, resolveSession } from "../presence/decide-presence.ts";
import { countActivity, handleOf } from "../presence/presence-rows.ts";
import { toJson } from "../rooms/to-json.ts";
import { selectClaim, selectClaimsOf, selectTicket, selectTickets } from "./claim-rows.ts";
import { describeBlocker } from "./describe-blocker.ts";
import { findBlockers, findRisks, groundOf } from "./find-blockers.ts";
import { RESERVE_MS, endClaim, endTicket, grantAll } from "./grant-claims.ts";
import { targetsOverlap } from "./targets-overlap.ts";
import { findCircle, readWaitGraph } from "./wait-graph.ts";

type Context = DecideContext<ProjectEvent>;
type Command<T extends ProjectCommand["type"]> = Extract<ProjectCommand, { type: T }>;

/** Claims that a session may ask for in a minute; those that edits make do not count. */
export const MAX_CLAIMS_PER_MINUTE = 60;
/** Shortest and longest time of a claim, in ms: ten seconds, two hours. */
export const CLAIM_TTL_MS = { min: 10_000, max: 7_200_000 } as const;

function boundTtl(ttlMs: number): number {
  return Math.min(CLAIM_TTL_MS.max, Math.max(CLAIM_TTL_MS.min, ttlMs));
}

function checkTargets(targets: readonly Target[]): Rejection | null {
  for (const { kind, key, label } of targets) {
    const isBad =
      kind === "resource"
        ? !/^[a-z][a-z0-9-]*:.+$/.test(key)
        : key.includes("\0") || key.split("/").includes("..") || (kind !== "directory" && key === "");
    if (isBad) {
      const form = kind === "resource" ? "TYPE:NAME, such as port:3000" : "a path inside the repository";
      return reject("claim.bad-target", `${JSON.stringify(label)} is no ${kind}: expected ${form}`);
    }
  }
  return null;
}

function queueTicket(
  context: Context,
  command: Command<"claim.acquire">,
  blockers: ClaimAnswer["blockers"],
): DecideAnswer {
  const ticket: Ticket = {
    ticketId: context.newId("ticket"),
    sessionId: command.sessionId,
    targets: command.targets,
    mode: command.mode,
    worktree: command.worktree,
    reason: command.reason,
    ttlMs: boundTtl(command.ttlMs),
    queuedAtMs: context.nowMs,
    expiresAtMs: context.nowMs + command.waitMs,
  };
  const circle = findCircle(readWaitGraph(context.sql, { ticket }, context.nowMs), ticket.sessionId);
  if (circle !== null) {
    const names = circle.map((id) => handleOf(context.sql, id)).join(" -> ");
    return reject(
      "claim.deadlock",
      `waiting would never end: ${names}`,
      "release something that they wait for, or ask them to yield",
    );
  }
  context.emit({ type: "ticket.queued", ticket });
  const ahead = selectTickets(context.sql).filter((other) => other.ticketId !== ticket.ticketId);
  const position =
    1 +
    ahead.filter((other) => other.targets.some((a) => ticket.targets.some((b) => targetsOverlap(a, b))))
      .length;
  const answer: ClaimAnswer = {
    state: "queued",
    claims: [],
    ticketId: ticket.ticketId,
    position,
    blockers,
    risks: findRisks(context.sql, command),
  };
  return accept(toJson(answer));
}

/** All targets are granted, or none; with `wait`, a place in the line. */
export function decideAcquire(context: Context, command: Command<"claim.acquire">): DecideAnswer {
  const found = requireActing(context, command.sessionId);
  if (found.type === "rejection") return found;
  const bad = checkTargets(command.targets);
  if (bad !== null) return bad;
  const asked = countActivity(
    context.sql,
    { sessionId: command.sessionId, kind: "claim" },
    context.nowMs - 60_000,
  );
  if (asked + command.targets.length > MAX_CLAIMS_PER_MINUTE) {
    return reject(
      "rate.limited",
      `${asked} claims in the last minute, and ${MAX_CLAIMS_PER_MINUTE} is the limit`,
      "claim a directory or a glob instead of many files",
    );
  }
  const blockers = findBlockers(context.sql, command, selectTickets(context.sql), context.nowMs);
  if (blockers.length > 0) {
    if (command.wait) return queueTicket(context, command, blockers);
    const first = blockers[0];
    return {
      ...reject(
        "claim.conflict",
        first === undefined ? "somebody holds it" : describeBlocker(first),
        "wait for it (--wait), ask its holder to yield, or work on something else",
      ),
      data: toJson({ blockers }),
    };
  }
  const claims = grantAll(context, {
    ...command,
    ttlMs: boundTtl(command.ttlMs),
    isAutomatic: false,
    isReserved: false,
  });
  const risks = findRisks(context.sql, command);
  const answer: ClaimAnswer = {
    state: "granted",
    claims,
    ticketId: null,
    position: null,
    blockers: [],
    risks,
  };
  return accept(toJson(answer));
}

function requireHeld(
  context: Context,
  sessionId: string,
  claimIds: readonly string[],
  fence: number | undefined,
): { readonly type: "claims"; readonly claims: Claim[] } | Rejection {
  const claims: Claim[] = [];
  for (const claimId of claimIds) {
    const claim = selectClaim(context.sql, claimId);
    if (claim === undefined)
      return reject("claim.not-found", `claim ${claimId} is not held (any more)`, "claim it again");
    if (claim.sessionId !== sessionId)
      return reject(
        "claim.not-holder",
        `${handleOf(context.sql, claim.sessionId)} holds ${claim.target.label}`,
      );
    if (fence !== undefined && claim.fence !== fence)
      return reject("claim.stale-token", `${claim.target.label} was granted anew with token ${claim.fence}`);
    claims.push(claim);
  }
  return { type: "claims", claims };
}

/** Prolongs claims that are still held. */
export function decideRenew(context: Context, command: Command<"claim.renew">): DecideAnswer {
  const acting = requireActing(context, command.sessionId);
  if (acting.type === "rejection") return acting;
  const held = requireHeld(context, command.sessionId, command.claimIds, command.fence);
  if (held.type === "rejection") return held;
  const ttlMs = boundTtl(command.ttlMs);
  const claims = held.claims.map((claim) => {
    const expiresAtMs = Math.max(claim.expiresAtMs, context.nowMs + ttlMs);
    const renewed: Claim = { ...claim, renewedAtMs: context.nowMs, expiresAtMs, reservedUntilMs: null };
    context.emit({ type: "claim.updated", claim: renewed });
    return renewed;
  });
  return acceptOnce(toJson({ claims }));
}

/** Gives claims up. Releasing by path what is not held changes nothing. */
export function decideRelease(context: Context, command: Command<"claim.release">): DecideAnswer {
  const acting = requireActing(context, command.sessionId);
  if (acting.type === "rejection") return acting;
  const { what } = command;
  const own = selectClaimsOf(context.sql, command.sessionId);
  let released: Claim[];
  if (what === "all") released = own;
  else if ("claimIds" in what) {
    const held = requireHeld(context, command.sessionId, what.claimIds, command.fence);
    if (held.type === "rejection") return held;
    released = held.claims;
  } else {
    released = own.filter((claim) =>
      what.targets.some(
        (target) =>
          target.kind === claim.target.kind &&
          target.key === claim.target.key &&
          (claim.worktree === null || claim.worktree === groundOf(target, what.worktree)),
      ),
    );
  }
  for (const claim of released) endClaim(context, claim, "released");
  return acceptOnce(toJson({ released: released.map((claim) => claim.claimId) }));
}

/** Leaves the line. */
export function decideCancelTicket(context: Context, command: Command<"ticket.cancel">): DecideAnswer {
  const acting = requireActing(context, command.sessionId);
  if (acting.type === "rejection") return acting;
  const found = selectTicket(context.sql, command.ticketId);
  if (found === undefined || found.ticket.sessionId !== command.sessionId)
    return reject("ticket.not-found", `no place in the line ${command.ticketId}`);
  if (found.state === "queued") endTicket(context, found.ticket, "cancelled");
  return acceptOnce(toJson({ state: found.state === "queued" ? "cancelled" : found.state }));
}

/** Takes claims from their holders. Agents may only take from those that give no sign of life, by asking for them. */
export function decideForce(context: Context, command: Command<"claim.force">): DecideAnswer {
  if (context.actor.kind === "agent") {
    return reject(
      "claim.not-holder",
      "only a person takes claims from a live session",
      "ask the holder to yield, or a person to run canopy claims force",
    );
  }
  const claims: Claim[] = [];
  for (const claimId of command.claimIds) {
    const claim = selectClaim(context.sql, claimId);
    if (claim === undefined) return reject("claim.not-found", `claim ${claimId} is not held (any more)`);
    claims.push(claim);
  }
  for (const claim of claims) endClaim(context, claim, "forced", `${context.actor.id}: ${command.reason}`);
  return accept(toJson({ forced: claims.map((claim) => claim.claimId) }));
}

/** Gives claims to another session, before all who wait; they pass on when it does not take them up. */
export function giveClaims(
  context: Context,
  claims: readonly Claim[],
  to: { readonly sessionId: string; readonly how: "handed-over" | "yielded" },
): Claim[] {
  const receiver = handleOf(context.sql, to.sessionId);
  return claims.flatMap((claim) => {
    endClaim(context, claim, to.how, `to ${receiver}`);
    const ttlMs = Math.max(RESERVE_MS, claim.expiresAtMs - context.nowMs);
    return grantAll(context, {
      sessionId: to.sessionId,
      targets: [claim.target],
      mode: claim.mode,
      worktree: claim.worktree,
      reason: claim.reason,
      ttlMs,
      isAutomatic: false,
      isReserved: true,
    });
  });
}

/** A session hands its claims to another one. */
export function decideHandOver(context: Context, command: Command<"claim.hand-over">): DecideAnswer {
  const acting = requireActing(context, command.sessionId);
  if (acting.type === "rejection") return acting;
  const receiver = resolveSession(context, command.to);
  if (receiver.type === "rejection") return receiver;
  const { sessionId, state, presence } = receiver.session;
  if (sessionId === command.sessionId) return reject("claim.not-holder", "it is yours already");
  if (state === "ended" || state === "lost")
    return reject("session.ended", `@${presence.handle} is not here any more`);
  const held = requireHeld(context, command.sessionId, command.claimIds, undefined);
  if (held.type === "rejection") return held;
  return accept(toJson({ claims: giveClaims(context, held.claims, { sessionId, how: "handed-over" }) }));
}
