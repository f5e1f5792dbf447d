import type {
  Delivery,
  Json,
  Message,
  ProjectCommand,
  ProjectEvent,
  Rejection,
  Yield,
} from "@canopy/protocol";
import { MAX_MESSAGE_CHARS, reject } from "@canopy/protocol";
import { describeMs } from "../claims/describe-blocker.ts";
import { selectClaimsOf } from "../claims/claim-rows.ts";
import { giveClaims } from "../claims/decide-claim.ts";
import { sameGround } from "../claims/find-blockers.ts";
import { targetsOverlap } from "../claims/targets-overlap.ts";
import type { DecideAnswer, DecideContext } from "../kernel/room-definition.ts";
import { accept, acceptOnce } from "../kernel/room-definition.ts";
import { requireActing } from "../presence/decide-presence.ts";
import type { PresentSession } from "../presence/presence-rows.ts";
import { countActivity, handleOf, selectPresent } from "../presence/presence-rows.ts";
import { toJson } from "../rooms/to-json.ts";
import {
  selectDeliveriesOf,
  selectMailOf,
  selectMessage,
  selectMessagesByReference,
  selectReplies,
  selectUnacknowledged,
} from "./mail-rows.ts";
import { resolveRecipients } from "./resolve-recipients.ts";

type Context = DecideContext<ProjectEvent>;
type Command<T extends ProjectCommand["type"]> = Extract<ProjectCommand, { type: T }>;

/** Messages of a session in a minute, to one and to several. */
export const MAIL_PER_MINUTE = { message: 20, broadcast: 5 } as const;
/** Two agents that wrote each other this often in ten minutes, with no person and nobody else in it, are stopped. */
export const PING_PONG = { messages: 16, withinMs: 600_000 } as const;
/** How long a message is worth telling, in ms: a day. */
export const MESSAGE_TTL_MS = 86_400_000;

function checkRate(context: Context, from: string, recipients: readonly PresentSession[]): Rejection | null {
  const since = context.nowMs - 60_000;
  const kind = recipients.length > 1 ? "broadcast" : "message";
  const sent = countActivity(context.sql, { sessionId: from, kind }, since);
  if (sent >= MAIL_PER_MINUTE[kind])
    return reject(
      "rate.limited",
      `${sent} ${kind}s in the last minute is the limit`,
      "gather what you have to say",
    );
  const [only] = recipients;
  if (recipients.length !== 1 || only === undefined) return null;
  const recent = context.nowMs - PING_PONG.withinMs;
  const there = countActivity(context.sql, { sessionId: from, kind: "talk", peer: only.sessionId }, recent);
  const back = countActivity(context.sql, { sessionId: only.sessionId, kind: "talk", peer: from }, recent);
  if (there + back < PING_PONG.messages || Math.min(there, back) < PING_PONG.messages / 4) return null;
  return reject(
    "rate.ping-pong",
    `you and @${only.presence.handle} wrote each other ${there + back} times in ten minutes`,
    "go on with the work; a person can write to both of you",
  );
}

function findReplied(
  context: Context,
  reference: string | null,
): { readonly message: Message | null } | Rejection {
  if (reference === null) return { message: null };
  const found = selectMessagesByReference(context.sql, reference);
  const [message] = found;
  return message === undefined || found.length > 1
    ? reject("message.not-found", `no one message ${reference}`, "canopy inbox lists them")
    : { message };
}

/** Marks messages of a session as acknowledged. */
export function acknowledge(context: Context, session: PresentSession, messages: readonly Message[]): void {
  const deliveries = messages.flatMap((message) =>
    selectDeliveriesOf(context.sql, message.messageId)
      .filter(({ delivery }) => delivery.sessionId === session.sessionId && delivery.state !== "acknowledged")
      .map(({ delivery }): Delivery => ({ ...delivery, state: "acknowledged", atMs: context.nowMs })),
  );
  if (deliveries.length > 0) context.emit({ type: "message.moved", deliveries });
}

function createYield(command: Command<"mail.send">): Yield | null {
  if (command.kind !== "request-yield") return null;
  return { targets: command.targets, worktree: command.worktree, state: "pending", afterMs: null, note: "" };
}

function checkBody(command: Command<"mail.send">): Rejection | null {
  if (command.body.trim() === "" && command.kind !== "ack" && command.kind !== "request-yield")
    return reject("command.invalid", "a message needs a text");
  if (command.body.length > MAX_MESSAGE_CHARS) {
    return reject(
      "message.too-large",
      `a message has at most ${MAX_MESSAGE_CHARS} characters, this one ${command.body.length}`,
      "put it into a file and name the file",
    );
  }
  if (command.kind === "request-yield" && command.targets.length === 0)
    return reject("command.invalid", "a request to yield names what is wanted");
  return null;
}

function findSender(
  context: Context,
  from: string | null,
): { readonly sender: PresentSession | null } | Rejection {
  if (from !== null) {
    const found = requireActing(context, from);
    return found.type === "rejection" ? found : { sender: found.session };
  }
  if (context.actor.kind !== "person")
    return reject("session.not-yours", "an agent writes as its own session");
  return { sender: null };
}

/** What the room answers about those who will get a message. */
function describeRecipients(sessions: readonly PresentSession[]): Json {
  return toJson(
    sessions.map(({ sessionId, state, presence }) => ({ sessionId, handle: presence.handle, state })),
  );
}

function createMessage(
  context: Context,
  command: Command<"mail.send">,
  parts: {
    readonly sender: PresentSession | null;
    readonly replied: Message | null;
    readonly recipients: readonly PresentSession[];
  },
): Message {
  const messageId = context.newId("message");
  const { sender, replied, recipients } = parts;
  return {
    messageId,
    threadId: replied?.threadId ?? messageId,
    replyTo: replied?.messageId ?? null,
    from: sender?.sessionId ?? null,
    fromName: sender === null ? context.actor.id : `@${sender.presence.handle}`,
    kind: command.kind,
    to: command.to,
    recipients: recipients.map((session) => session.sessionId),
    body: command.body,
    priority: command.priority,
    deadlineAtMs: command.deadlineMs === null ? null : context.nowMs + command.deadlineMs,
    expiresAtMs: context.nowMs + Math.max(MESSAGE_TTL_MS, (command.deadlineMs ?? 0) * 2),
    atMs: context.nowMs,
    yield: createYield(command),
  };
}

/** Sends a message to everybody it is addressed to, at once or not at all. */
export function decideSend(context: Context, command: Command<"mail.send">): DecideAnswer {
  const from = findSender(context, command.from);
  if ("type" in from) return from;
  const bad = checkBody(command);
  if (bad !== null) return bad;
  const replied = findReplied(context, command.replyTo);
  if ("type" in replied) return replied;
  const found = resolveRecipients(context, command);
  if (found.type === "rejection") return found;
  const { sender } = from;
  const recipients = found.sessions;
  const limited = sender === null ? null : checkRate(context, sender.sessionId, recipients);
  if (limited !== null) return limited;
  const message = createMessage(context, command, { sender, replied: replied.message, recipients });
  context.emit({ type: "message.sent", message });
  // Who answers has read what it answers.
  if (sender !== null && replied.message !== null) acknowledge(context, sender, [replied.message]);
  const { messageId, threadId } = message;
  return accept({ messageId, threadId, recipients: describeRecipients(recipients) });
}

/** A session has read messages: they are not put before it again. */
export function decideAcknowledge(context: Context, command: Command<"mail.acknowledge">): DecideAnswer {
  const found = requireActing(context, command.sessionId);
  if (found.type === "rejection") return found;
  const { session } = found;
  const mine = selectMailOf(context.sql, session.sessionId, 10_000).map(({ message }) => message);
  if (command.messages === "all") {
    const open = selectUnacknowledged(context.sql, session.sessionId, 10_000).map(({ message }) => message);
    acknowledge(context, session, open);
    return acceptOnce(toJson({ acknowledged: open.map((message) => message.messageId) }));
  }
  const chosen: Message[] = [];
  for (const reference of command.messages) {
    const named = mine.filter((message) => message.messageId === reference);
    const fitting =
      named.length > 0 ? named : mine.filter((message) => message.messageId.includes(reference));
    const [message] = fitting;
    if (message === undefined || fitting.length > 1)
      return reject("message.not-found", `no one message ${reference} to you`, "canopy inbox lists them");
    chosen.push(message);
  }
  acknowledge(context, session, chosen);
  return acceptOnce(toJson({ acknowledged: chosen.map((message) => message.messageId) }));
}

/** Gives what was asked for: the claims go to the asker, before all who wait. */
function carryOutYield(context: Context, message: Message, holder: PresentSession): number {
  const { yield: wish } = message;
  if (wish === null || message.from === null) return 0;
  const claims = selectClaimsOf(context.sql, holder.sessionId).filter(
    (claim) =>
      sameGround(claim.worktree, wish.worktree) &&
      wish.targets.some((target) => targetsOverlap(target, claim.target)),
  );
  const asker = selectPresent(context.sql, message.from);
  if (asker === undefined || asker.state === "ended") return 0;
  giveClaims(context, claims, { sessionId: asker.sessionId, how: "yielded" });
  return claims.length;
}

const YIELD_STATES = { accept: "accepted", decline: "declined", after: "after" } as const;

function describeYield(command: Command<"mail.answer-yield">, wish: Yield): string {
  const labels = wish.targets.map((target) => target.label).join(", ");
  const note = command.note === "" ? "" : `: ${command.note}`;
  const said = {
    accept: `yields ${labels}, it is yours for now`,
    decline: `does not yield ${labels}`,
    after: `will yield ${labels} in ${describeMs(command.afterMs ?? 0)}`,
  }[command.answer];
  return `${said}${note}`;
}

function findRequest(
  context: Context,
  command: Command<"mail.answer-yield">,
): { readonly message: Message; readonly wish: Yield } | Rejection {
  const matches = selectMessagesByReference(context.sql, command.message).filter((message) =>
    message.recipients.includes(command.sessionId),
  );
  const [message] = matches;
  if (message === undefined || matches.length > 1)
    return reject("message.not-found", `no one request ${command.message} to you`, "canopy inbox lists them");
  const wish = message.yield;
  if (wish === null || (wish.state !== "pending" && wish.state !== "after"))
    return reject("message.nothing-to-answer", `${message.messageId} is no open request to yield`);
  return { message, wish };
}

/** The holder answers a request to yield: gives at once, later, or not. */
export function decideAnswerYield(context: Context, command: Command<"mail.answer-yield">): DecideAnswer {
  const acting = requireActing(context, command.sessionId);
  if (acting.type === "rejection") return acting;
  if (command.answer === "after" && command.afterMs === null)
    return reject("command.invalid", "say after how long");
  const found = findRequest(context, command);
  if ("type" in found) return found;
  const { message, wish } = found;
  const state = YIELD_STATES[command.answer];
  const afterMs = state === "after" ? context.nowMs + (command.afterMs ?? 0) : null;
  const answered: Yield = { ...wish, state, afterMs, note: command.note };
  context.emit({ type: "message.updated", message: { ...message, deadlineAtMs: null, yield: answered } });
  acknowledge(context, acting.session, [message]);
  const given = state === "accepted" ? carryOutYield(context, message, acting.session) : 0;
  const body = describeYield(command, wish);
  if (message.from !== null)
    tell(context, { from: command.sessionId, to: message.from, replyTo: message, body });
  return accept({ state, given });
}

/** Sends a message that the program itself writes, on behalf of a session or (null) of nobody. */
function tell(
  context: Context,
  letter: {
    readonly from: string | null;
    readonly to: string;
    readonly replyTo: Message;
    readonly body: string;
  },
): void {
  const recipient = selectPresent(context.sql, letter.to);
  if (recipient === undefined || recipient.state === "ended") return;
  const messageId = context.newId("message");
  const message: Message = {
    messageId,
    threadId: letter.replyTo.threadId,
    replyTo: letter.replyTo.messageId,
    from: letter.from as Message["from"],
    fromName: letter.from === null ? "canopy" : handleOf(context.sql, letter.from),
    kind: "ack",
    to: `@${recipient.presence.handle}`,
    recipients: [recipient.sessionId],
    body: letter.body,
    priority: "high",
    deadlineAtMs: null,
    expiresAtMs: context.nowMs + MESSAGE_TTL_MS,
    atMs: context.nowMs,
    yield: null,
  };
  context.emit({ type: "message.sent", message });
}

function escalate(context: Context, message: Message): void {
  context.emit({ type: "message.updated", message: { ...message, deadlineAtMs: null, priority: "high" } });
  const answered = new Set(selectReplies(context.sql, message.messageId).map((reply) => reply.from));
  const silent = message.recipients.filter((sessionId) => !answered.has(sessionId));
  if (silent.length === 0) return;
  const deliveries = selectDeliveriesOf(context.sql, message.messageId)
    .filter(({ delivery }) => silent.includes(delivery.sessionId) && delivery.state === "injected")
    .map(({ delivery }): Delivery => ({ ...delivery, state: "queued", atMs: context.nowMs }));
  if (deliveries.length > 0) context.emit({ type: "message.moved", deliveries });
  if (message.from === null) return;
  const who = silent.map((sessionId) => {
    const state = selectPresent(context.sql, sessionId)?.state ?? "ended";
    return `${handleOf(context.sql, sessionId)} (${state})`;
  });
  tell(context, {
    from: null,
    to: message.from,
    replyTo: message,
    body: `no answer in time from ${who.join(", ")}`,
  });
}

/** A message's time has come: a promise to yield, a deadline without an answer, or its end. */
export function wakeMessage(context: Context, messageId: string): void {
  const message = selectMessage(context.sql, messageId);
  if (message === undefined) return;
  const wish = message.yield;
  if (wish !== null && wish.state === "after" && wish.afterMs !== null && wish.afterMs <= context.nowMs) {
    const [holderId] = message.recipients;
    const holder = holderId === undefined ? undefined : selectPresent(context.sql, holderId);
    context.emit({ type: "message.updated", message: { ...message, yield: { ...wish, state: "accepted" } } });
    if (holder !== undefined) carryOutYield(context, message, holder);
    return;
  }
  if (message.deadlineAtMs !== null && message.deadlineAtMs <= context.nowMs) {
    escalate(context, message);
    return;
  }
  if (message.expiresAtMs > context.nowMs) return;
  const deliveries = selectDeliveriesOf(context.sql, messageId)
    .filter(({ delivery }) => delivery.state === "queued" || delivery.state === "injected")
    .map(({ delivery }): Delivery => ({ ...delivery, state: "expired", atMs: context.nowMs }));
  if (deliveries.length > 0) context.emit({ type: "message.moved", deliveries });
}
