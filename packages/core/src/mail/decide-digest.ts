import type { Delivery, ProjectCommand, ProjectEvent } from "@canopy/protocol";
import { selectClaims, selectClaimsOf } from "../claims/claim-rows.ts";
import { sameGround } from "../claims/find-blockers.ts";
import type { DecideAnswer, DecideContext } from "../kernel/room-definition.ts";
import { acceptOnce } from "../kernel/room-definition.ts";
import { requireActing } from "../presence/decide-presence.ts";
import { selectFeedAfter, selectLastFeedSeq } from "../presence/feed-rows.ts";
import type { PresentSession } from "../presence/presence-rows.ts";
import { isLive, selectLiveSessions, selectPresent } from "../presence/presence-rows.ts";
import { toJson } from "../rooms/to-json.ts";
import { selectUntoldWaits } from "../waits/wait-rows.ts";
import type { Digest, DigestParts } from "./compose-digest.ts";
import { composeDigest } from "./compose-digest.ts";
import type { DeliveredMessage } from "./mail-rows.ts";
import {
  countUntold,
  selectDigestCursor,
  selectMailOf,
  selectUnacknowledged,
  selectUntold,
} from "./mail-rows.ts";

type Context = DecideContext<ProjectEvent>;
type Command<T extends ProjectCommand["type"]> = Extract<ProjectCommand, { type: T }>;

const FEED_LINES_IN_DIGEST = 30;

function gather(context: Context, me: PresentSession, untold: readonly DeliveredMessage[]): DigestParts {
  const { sql, nowMs } = context;
  const cursor = selectDigestCursor(sql, me.sessionId);
  const isFresh = cursor.epoch < me.presence.epoch;
  const worktree = me.presence.worktree;
  return {
    me,
    nowMs,
    isFresh,
    messages: untold.map(({ message }) => message),
    furtherMessages: countUntold(sql, me.sessionId, me.presence.epoch) - untold.length,
    waits: selectUntoldWaits(sql, me.sessionId),
    reserved: selectClaimsOf(sql, me.sessionId).filter((claim) => claim.reservedUntilMs !== null),
    peers: isFresh ? selectLiveSessions(sql).filter((peer) => peer.sessionId !== me.sessionId) : [],
    held: isFresh
      ? selectClaims(sql)
          .filter((claim) => claim.sessionId !== me.sessionId && isLive(sql, claim.sessionId))
          .filter((claim) => sameGround(claim.worktree, worktree))
          .map((claim) => ({
            ...claim,
            handle: selectPresent(sql, claim.sessionId)?.presence.handle ?? claim.sessionId,
          }))
      : [],
    // Who comes anew is told how things are, not how they came about.
    feed: isFresh
      ? []
      : selectFeedAfter(sql, cursor.feedSeq, FEED_LINES_IN_DIGEST).filter(
          (item) =>
            (item.sessionId !== me.sessionId || isOwnNews(item.kind)) &&
            sameGround(item.worktree, isTreeBound(item.kind) ? worktree : null),
        ),
  };
}

/** Claims and refusals in another work tree are not news here; who comes and goes is. */
function isTreeBound(kind: string): boolean {
  return ["claimed", "freed", "taken", "refused"].includes(kind);
}

/** What happened to a session without its doing: its claims were taken, the branch was switched under it. */
function isOwnNews(kind: string): boolean {
  return kind === "taken" || kind === "branch";
}

function noteTold(context: Context, me: PresentSession, told: Digest, where: string): void {
  const ids = new Set(told.messageIds);
  moveMail(
    context,
    selectUntold(context.sql, me.sessionId, me.presence.epoch).filter(({ message }) =>
      ids.has(message.messageId),
    ),
    { epoch: me.presence.epoch, where },
  );
  for (const wait of selectUntoldWaits(context.sql, me.sessionId)) {
    if (told.waitIds.includes(wait.waitId))
      context.emit({ type: "wait.updated", wait: { ...wait, isTold: true } });
  }
}

function moveMail(
  context: Context,
  mail: readonly DeliveredMessage[],
  to: { readonly epoch: number; readonly where: string },
): void {
  const deliveries = mail.map(({ delivery, message }): Delivery => ({
    ...delivery,
    // A status that was seen is done with; all else is told again in the next epoch until it is acknowledged.
    state: message.kind === "status-broadcast" || message.kind === "ack" ? "acknowledged" : "injected",
    epoch: to.epoch,
    where: to.where,
    atMs: context.nowMs,
  }));
  if (deliveries.length > 0) context.emit({ type: "message.moved", deliveries });
}

/** What is new for a session, as text within a budget; noted as told in the same transaction: once an epoch. */
export function decideTakeDigest(context: Context, command: Command<"digest.take">): DecideAnswer {
  const found = requireActing(context, command.sessionId);
  if (found.type === "rejection") return found;
  const me = found.session;
  const { sql } = context;
  const parts = gather(context, me, selectUntold(sql, me.sessionId, me.presence.epoch));
  const digest = composeDigest(parts, command.maxChars);
  const cursor = selectDigestCursor(sql, me.sessionId);
  const feedSeq = selectLastFeedSeq(sql);
  if (digest.text !== "") noteTold(context, me, digest, command.where);
  // Own lines move nobody's cursor: a journal of its own for every edit would be the price.
  if (cursor.epoch < me.presence.epoch || (digest.text !== "" && feedSeq > cursor.feedSeq))
    context.emit({ type: "digest.taken", sessionId: me.sessionId, epoch: me.presence.epoch, feedSeq });
  return acceptOnce(toJson(digest));
}

/** A session reads its mail in full. What it reads counts as told. */
export function decideReadMail(context: Context, command: Command<"mail.read">): DecideAnswer {
  const found = requireActing(context, command.sessionId);
  if (found.type === "rejection") return found;
  const me = found.session;
  const mail = command.unreadOnly
    ? selectUnacknowledged(context.sql, me.sessionId, command.limit)
    : selectMailOf(context.sql, me.sessionId, command.limit);
  const untold = mail.filter(
    ({ delivery }) =>
      delivery.state === "queued" || (delivery.state === "injected" && delivery.epoch < me.presence.epoch),
  );
  moveMail(context, untold, { epoch: me.presence.epoch, where: "inbox" });
  return acceptOnce(
    toJson({
      messages: mail.map(({ message, delivery }) => ({
        ...message,
        state: untold.some((other) => other.message.messageId === message.messageId)
          ? "injected"
          : delivery.state,
      })),
    }),
  );
}
