import { z } from "zod";
import { idSchema } from "./ids.ts";
import { taskStatusSchema } from "./task.ts";

/**
 * The operating-system process of an agent. `startedAt` (opaque, as the system gives it) tells a process from a later
 * one with the same number, and `bootId` from one before a restart of the machine.
 */
export const processAnchorSchema = z.object({
  pid: z.int().positive(),
  startedAt: z.string().max(100),
  bootId: z.string().max(100),
});

/** A subagent inside a session. It shares its parent's claims. */
export const childSchema = z.object({
  childId: z.string().min(1).max(200),
  kind: z.string().max(200),
  startedAtMs: z.int(),
});

/** How a session takes part in coordination. */
export const presenceSchema = z.object({
  /** `managed` was started by Canopy, `attached` by somebody in a terminal. */
  origin: z.enum(["managed", "attached"]),
  /** What others call it; no two sessions that have not ended share one. */
  handle: z.string(),
  /** What it is here for (`reviewer`, `tester`), so that it can be written to without knowing its name; empty for none. */
  role: z.string().default(""),
  /** Counts up whenever the agent's context began anew: start, resume, clear, compaction. */
  epoch: z.int().positive(),
  process: processAnchorSchema.nullable(),
  /** Real path of the root of its work tree. */
  worktree: z.string(),
  branch: z.string().nullable(),
  /** What it last said it is doing. */
  status: z.string(),
  statusAtMs: z.int().nullable(),
  children: z.array(childSchema),
});

/** Kind of thing that a claim is on. */
export const targetKindSchema = z.enum(["path", "directory", "glob", "resource"]);

/**
 * What a claim is on. `key` is the canonical name: a path relative to the repository's root with `/`, normalised and
 * folded as the file system folds it, or absolute outside of it; a glob over such paths; or `TYPE:NAME` of a resource.
 */
export const targetSchema = z.strictObject({
  kind: targetKindSchema,
  key: z.string().max(4096),
  /** As people read it. */
  label: z.string().max(4096),
});

/**
 * `exclusive` excludes all but intents, `shared` excludes exclusive ones; `intent` announces and never excludes nor is
 * excluded.
 */
export const claimModeSchema = z.enum(["exclusive", "shared", "intent"]);

/** A claim that is held. `fence` counts up over all grants of the project: a later holder has a greater one. */
export const claimSchema = z.object({
  claimId: idSchema("claim"),
  sessionId: idSchema("session"),
  target: targetSchema,
  mode: claimModeSchema,
  /** The work tree in which it excludes others; null: all of them (resources, and claims on the whole repository). */
  worktree: z.string().nullable(),
  reason: z.string(),
  /** Made by an edit, not asked for. */
  isAutomatic: z.boolean(),
  fence: z.int().positive(),
  grantedAtMs: z.int(),
  renewedAtMs: z.int(),
  expiresAtMs: z.int(),
  /** Handed over, but not yet taken up: passes on at this time unless its holder uses it. Null once it was used. */
  reservedUntilMs: z.int().nullable(),
});

/** A place in the line for claims that others hold. All of its targets are granted at once. */
export const ticketSchema = z.object({
  ticketId: idSchema("ticket"),
  sessionId: idSchema("session"),
  targets: z.array(targetSchema).min(1).max(100),
  mode: claimModeSchema,
  worktree: z.string().nullable(),
  reason: z.string(),
  /** How long the claims last once granted, in ms. */
  ttlMs: z.int().positive(),
  queuedAtMs: z.int(),
  expiresAtMs: z.int(),
});

/** How a claim ended. */
export const claimEndSchema = z.enum([
  "released",
  "expired",
  "session-ended",
  "forced",
  "handed-over",
  "yielded",
  "not-taken-up",
  "holder-lost",
]);

/** How a place in the line ended. */
export const ticketEndSchema = z.enum(["granted", "cancelled", "timed-out", "session-ended"]);

/** Kind of a message. */
export const messageKindSchema = z.enum(["info", "question", "ack", "request-yield", "status-broadcast"]);

/** What a session is asked to give up, and what it answered. */
export const yieldSchema = z.object({
  targets: z.array(targetSchema).min(1).max(100),
  worktree: z.string().nullable(),
  state: z.enum(["pending", "accepted", "declined", "after", "expired"]),
  /** With `after`: when it is promised, in ms. */
  afterMs: z.int().nullable(),
  note: z.string(),
});

/** A message between sessions, or from a person to sessions. */
export const messageSchema = z.object({
  messageId: idSchema("message"),
  /** The first message of its thread. */
  threadId: idSchema("message"),
  replyTo: idSchema("message").nullable(),
  /** Null when a person sent it. */
  from: idSchema("session").nullable(),
  fromName: z.string(),
  kind: messageKindSchema,
  /** As it was addressed. */
  to: z.string(),
  recipients: z.array(idSchema("session")),
  body: z.string(),
  priority: z.enum(["low", "normal", "high"]),
  /** An answer is wanted until then; when none came the sender is told. */
  deadlineAtMs: z.int().nullable(),
  expiresAtMs: z.int(),
  atMs: z.int(),
  yield: yieldSchema.nullable(),
});

/** One message on its way to one session. */
export const deliverySchema = z.object({
  messageId: idSchema("message"),
  sessionId: idSchema("session"),
  state: z.enum(["queued", "injected", "acknowledged", "expired"]),
  /** The epoch in which it was last put before the agent; 0 before that. */
  epoch: z.int().nonnegative(),
  /** Where it was put before the agent: a hook's name, `inbox`, `wait`. */
  where: z.string().nullable(),
  atMs: z.int(),
});

const leafConditions = [
  /** Nobody holds what would keep me out. */
  z.strictObject({ type: z.literal("claim-free"), target: targetSchema, worktree: z.string().nullable() }),
  z.strictObject({ type: z.literal("claim-granted"), ticketId: idSchema("ticket") }),
  /** It is between turns, or gone. */
  z.strictObject({ type: z.literal("session-idle"), sessionId: idSchema("session") }),
  z.strictObject({ type: z.literal("session-ended"), sessionId: idSchema("session") }),
  /** A message to me that I have not acknowledged. */
  z.strictObject({
    type: z.literal("message"),
    from: idSchema("session").nullable().default(null),
    kind: messageKindSchema.nullable().default(null),
  }),
  z.strictObject({ type: z.literal("reply"), messageId: idSchema("message") }),
  /** Another session changed the file after the wait began. */
  z.strictObject({ type: z.literal("file-changed"), key: z.string().max(4096) }),
  z.strictObject({
    type: z.literal("task-state"),
    taskId: idSchema("task"),
    state: taskStatusSchema,
  }),
  z.strictObject({ type: z.literal("change-landed"), changeId: idSchema("change") }),
  /** The daemon saw that a branch holds a commit (it reports `branch.contains`). */
  z.strictObject({
    type: z.literal("branch-merged"),
    branch: z.string().max(500),
    into: z.string().max(500),
  }),
] as const;

/** One thing that can be waited for. */
export const leafConditionSchema = z.discriminatedUnion("type", [...leafConditions]);

/** What is waited for: one thing, any, or all of several. */
export const waitConditionSchema = z.discriminatedUnion("type", [
  ...leafConditions,
  z.strictObject({ type: z.literal("any"), of: z.array(leafConditionSchema).min(1).max(20) }),
  z.strictObject({ type: z.literal("all"), of: z.array(leafConditionSchema).min(1).max(20) }),
]);

/** A session waits. `settled` is kept until the agent was told. */
export const waitSchema = z.object({
  waitId: idSchema("wait"),
  sessionId: idSchema("session"),
  condition: waitConditionSchema,
  hint: z.string(),
  state: z.enum(["waiting", "satisfied", "timed-out", "cancelled"]),
  /** Why it ended, as a sentence. */
  outcome: z.string(),
  startedAtMs: z.int(),
  /** Sequence number of the room when it began: what came before does not count as having happened since. */
  startedSeq: z.int().nonnegative(),
  expiresAtMs: z.int(),
  settledAtMs: z.int().nullable(),
  isTold: z.boolean(),
});

/** A file that a session changed. */
export const touchSchema = z.object({
  sessionId: idSchema("session"),
  worktree: z.string(),
  key: z.string(),
  atMs: z.int(),
});

/** What keeps a session from what it wants. */
export const blockerSchema = z.object({
  target: targetSchema,
  sessionId: idSchema("session"),
  handle: z.string(),
  state: z.string(),
  mode: claimModeSchema,
  reason: z.string(),
  heldForMs: z.int(),
  remainingMs: z.int(),
  /** Null for somebody who stands before you in the line. */
  claimId: idSchema("claim").nullable(),
  queueLength: z.int().nonnegative(),
});

/** Somebody works on the same file in another work tree: it will have to be merged. */
export const mergeRiskSchema = z.object({
  target: targetSchema,
  sessionId: idSchema("session"),
  handle: z.string(),
  worktree: z.string(),
  branch: z.string().nullable(),
});

/** What happens to an edit of a file that a live session holds. */
export const enforcementSchema = z.enum(["off", "warn", "ask", "deny"]);

/** One file that a tool is about to change, with what is to happen when somebody else holds it. */
export const editTargetSchema = z.strictObject({ target: targetSchema, enforcement: enforcementSchema });

/** One line of what happened among the sessions: a feed, not mail. */
export const feedItemSchema = z.object({
  seq: z.int().positive(),
  atMs: z.int(),
  kind: z.string(),
  /** Whom it is about. */
  sessionId: idSchema("session").nullable(),
  worktree: z.string().nullable(),
  text: z.string(),
});

/** The answer to a claim. */
export const claimAnswerSchema = z.object({
  state: z.enum(["granted", "queued"]),
  claims: z.array(claimSchema),
  ticketId: idSchema("ticket").nullable(),
  /** Place in the line, from 1; null when granted. */
  position: z.int().positive().nullable(),
  blockers: z.array(blockerSchema),
  risks: z.array(mergeRiskSchema),
});

/** The answer to an edit that is about to happen. */
export const editAnswerSchema = z.object({
  decision: z.enum(["allow", "warn", "ask", "deny"]),
  blockers: z.array(blockerSchema),
  risks: z.array(mergeRiskSchema),
  /** Work trees' paths that were claimed for it. */
  claimed: z.array(claimSchema),
});

/** All that `canopy sessions` and a page of the web show about coordination, as of one moment. */
export const coordinationStateSchema = z.object({
  claims: z.array(claimSchema),
  tickets: z.array(ticketSchema),
  waits: z.array(waitSchema),
  isFinished: z.boolean(),
});

/** The process of an agent. */
export type ProcessAnchor = z.infer<typeof processAnchorSchema>;
/** A subagent inside a session. */
export type SessionChild = z.infer<typeof childSchema>;
/** How a session takes part in coordination. */
export type Presence = z.infer<typeof presenceSchema>;
/** What a claim is on. */
export type Target = z.infer<typeof targetSchema>;
/** How much a claim excludes. */
export type ClaimMode = z.infer<typeof claimModeSchema>;
/** A claim that is held. */
export type Claim = z.infer<typeof claimSchema>;
/** How a claim ended. */
export type ClaimEnd = z.infer<typeof claimEndSchema>;
/** A place in the line. */
export type Ticket = z.infer<typeof ticketSchema>;
/** How a place in the line ended. */
export type TicketEnd = z.infer<typeof ticketEndSchema>;
/** Kind of a message. */
export type MessageKind = z.infer<typeof messageKindSchema>;
/** What a session is asked to give up. */
export type Yield = z.infer<typeof yieldSchema>;
/** A message between sessions. */
export type Message = z.infer<typeof messageSchema>;
/** One message on its way to one session. */
export type Delivery = z.infer<typeof deliverySchema>;
/** One thing that can be waited for. */
export type LeafCondition = z.infer<typeof leafConditionSchema>;
/** What is waited for. */
export type WaitCondition = z.infer<typeof waitConditionSchema>;
/** A session waits. */
export type Wait = z.infer<typeof waitSchema>;
/** A file that a session changed. */
export type Touch = z.infer<typeof touchSchema>;
/** What keeps a session from what it wants. */
export type Blocker = z.infer<typeof blockerSchema>;
/** Somebody works on the same file elsewhere. */
export type MergeRisk = z.infer<typeof mergeRiskSchema>;
/** What happens to an edit of a file that somebody holds. */
export type Enforcement = z.infer<typeof enforcementSchema>;
/** One file that is about to change. */
export type EditTarget = z.infer<typeof editTargetSchema>;
/** One line of the feed. */
export type FeedItem = z.infer<typeof feedItemSchema>;
/** The answer to a claim. */
export type ClaimAnswer = z.infer<typeof claimAnswerSchema>;
/** The answer to an edit. */
export type EditAnswer = z.infer<typeof editAnswerSchema>;
/** All that is shown about coordination. */
export type CoordinationState = z.infer<typeof coordinationStateSchema>;
