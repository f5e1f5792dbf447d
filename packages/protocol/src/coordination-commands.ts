import { z } from "zod";
import {
  childSchema,
  claimModeSchema,
  editTargetSchema,
  messageKindSchema,
  processAnchorSchema,
  targetSchema,
  waitConditionSchema,
} from "./coordination.ts";
import { idSchema } from "./ids.ts";

const session = { sessionId: idSchema("session") };
const targets = z.array(targetSchema).min(1).max(100);
const worktree = z.string().max(4096);

/** Longest text of a message, in characters. */
export const MAX_MESSAGE_CHARS = 8000;
/** Longest status, reason or hint, in characters. */
export const MAX_STATUS_CHARS = 500;
const lineSchema = z.string().max(MAX_STATUS_CHARS);

/** A session as people and agents name it: an id, a unique part of one, or a handle with or without `@`. */
export const sessionReferenceSchema = z.string().trim().min(1).max(200);

/** Commands about who is here. */
export const presenceCommandSchemas = [
  /** An agent is here (again). The same agent and native id is the same session, however often it comes. */
  z.strictObject({
    type: z.literal("presence.join"),
    agent: z.string().min(1).max(100),
    nativeSessionId: z.string().min(1).max(300),
    origin: z.enum(["managed", "attached"]).default("attached"),
    /** Of a session that Canopy started: the one it is. */
    sessionId: idSchema("session").nullable().default(null),
    /** `again` only says that it is alive; all else begins a new epoch. */
    source: z.enum(["startup", "resume", "clear", "compact", "fork", "again"]),
    process: processAnchorSchema.nullable().default(null),
    worktree,
    branch: z.string().max(500).nullable().default(null),
    model: z.string().max(200).nullable().default(null),
    title: z.string().max(500).default(""),
  }),
  /** What changed about it. What is left out stays. */
  z.strictObject({
    type: z.literal("presence.update"),
    ...session,
    state: z.enum(["active", "idle", "waiting"]).optional(),
    process: processAnchorSchema.optional(),
    worktree: worktree.optional(),
    branch: z.string().max(500).nullable().optional(),
    childStarted: childSchema.omit({ startedAtMs: true }).optional(),
    childEnded: z.string().max(200).optional(),
  }),
  z.strictObject({ type: z.literal("presence.end"), ...session, reason: lineSchema }),
  /** These processes are gone, as the daemon of their machine saw; or (null) a session without one is silent for long. */
  z.strictObject({
    type: z.literal("presence.report-dead"),
    sessions: z
      .array(z.strictObject({ ...session, process: processAnchorSchema.nullable(), reason: lineSchema }))
      .min(1)
      .max(1000),
  }),
  z.strictObject({
    type: z.literal("presence.rename"),
    ...session,
    handle: z
      .string()
      .regex(/^[a-z0-9][a-z0-9._-]{0,39}$/, "1 to 40 lower-case letters, digits, dots, dashes, underscores"),
    role: z.string().max(40).optional(),
  }),
  /** What it is doing, in a line. */
  z.strictObject({ type: z.literal("presence.status"), ...session, text: lineSchema }),
] as const;

/** Commands about claims. */
export const claimCommandSchemas = [
  /** All targets or none. When something is in the way: refused, or (`wait`) a place in the line. */
  z.strictObject({
    type: z.literal("claim.acquire"),
    ...session,
    targets,
    mode: claimModeSchema.default("exclusive"),
    /** Where it excludes: this work tree, or (null) all of the repository's. */
    worktree: worktree.nullable(),
    reason: lineSchema.default(""),
    ttlMs: z.int().min(1000).max(86_400_000).default(1_800_000),
    wait: z.boolean().default(false),
    /** How long to stand in the line, in ms. */
    waitMs: z.int().min(1000).max(86_400_000).default(600_000),
  }),
  /** With `fence`: refused when that grant is over. */
  z.strictObject({
    type: z.literal("claim.renew"),
    ...session,
    claimIds: z.array(idSchema("claim")).min(1).max(1000),
    ttlMs: z.int().min(1000).max(86_400_000).default(1_800_000),
    fence: z.int().positive().optional(),
  }),
  z.strictObject({
    type: z.literal("claim.release"),
    ...session,
    what: z.union([
      z.strictObject({ claimIds: z.array(idSchema("claim")).min(1).max(1000) }),
      z.strictObject({ targets, worktree: worktree.nullable() }),
      z.literal("all"),
    ]),
    fence: z.int().positive().optional(),
  }),
  z.strictObject({ type: z.literal("ticket.cancel"), ...session, ticketId: idSchema("ticket") }),
  /** Takes claims from their holder, who is told by whom and why. */
  z.strictObject({
    type: z.literal("claim.force"),
    claimIds: z.array(idSchema("claim")).min(1).max(100),
    reason: lineSchema.min(1),
  }),
  /** Gives own claims to another session, before all who wait; it takes them up by using them. */
  z.strictObject({
    type: z.literal("claim.hand-over"),
    ...session,
    claimIds: z.array(idSchema("claim")).min(1).max(100),
    to: sessionReferenceSchema,
  }),
  /** A tool is about to change files: what is free is claimed, what a live peer holds is answered by its rule. */
  z.strictObject({
    type: z.literal("edit.begin"),
    ...session,
    childId: z.string().max(200).nullable().default(null),
    tool: z.string().max(200),
    edits: z.array(editTargetSchema).min(1).max(500),
    worktree,
    /** False for operations on a whole work tree, which claim nothing. */
    claims: z.boolean().default(true),
    ttlMs: z.int().min(1000).max(86_400_000).default(600_000),
  }),
  /** Files were changed. */
  z.strictObject({
    type: z.literal("edit.end"),
    ...session,
    worktree,
    keys: z.array(z.string().max(4096)).min(1).max(5000),
  }),
  /** A person or agent went past a refusal. For the audit. */
  z.strictObject({
    type: z.literal("edit.report-bypass"),
    sessionId: idSchema("session").nullable(),
    what: lineSchema,
    reason: lineSchema,
  }),
] as const;

/** Commands about messages. */
export const mailCommandSchemas = [
  z.strictObject({
    type: z.literal("mail.send"),
    /** Null: a person sends it. */
    from: idSchema("session").nullable(),
    /** `all`, `@handle`, an id, `agent:claude`, `role:reviewer`, `branch:NAME`, `holder:PATH`; several with commas. */
    to: z.string().trim().min(1).max(500),
    kind: messageKindSchema.default("info"),
    body: z.string(),
    replyTo: z.string().max(200).nullable().default(null),
    priority: z.enum(["low", "normal", "high"]).default("normal"),
    /** An answer is wanted within this time, in ms. */
    deadlineMs: z.int().min(1000).max(604_800_000).nullable().default(null),
    /** With `request-yield`: what is wanted; and the target of `holder:`. */
    targets: z.array(targetSchema).max(100).default([]),
    worktree: worktree.nullable().default(null),
  }),
  z.strictObject({
    type: z.literal("mail.acknowledge"),
    ...session,
    messages: z.union([z.array(z.string().min(1).max(200)).min(1).max(1000), z.literal("all")]),
  }),
  z.strictObject({
    type: z.literal("mail.answer-yield"),
    ...session,
    message: z.string().min(1).max(200),
    answer: z.enum(["accept", "decline", "after"]),
    /** With `after`: in how long, in ms. */
    afterMs: z.int().min(1000).max(86_400_000).nullable().default(null),
    note: lineSchema.default(""),
  }),
  /** Puts what is new before an agent and notes that it was: answers the text. */
  z.strictObject({
    type: z.literal("digest.take"),
    ...session,
    where: z.string().max(100),
    maxChars: z.int().min(200).max(10_000).default(1200),
  }),
  /** Reads messages in full, and notes that they were put before the agent. */
  z.strictObject({
    type: z.literal("mail.read"),
    ...session,
    unreadOnly: z.boolean().default(true),
    limit: z.int().min(1).max(200).default(20),
  }),
] as const;

/** Commands about waits, and about the whole. */
export const waitCommandSchemas = [
  z.strictObject({
    type: z.literal("wait.start"),
    ...session,
    condition: waitConditionSchema,
    timeoutMs: z.int().min(100).max(86_400_000).default(600_000),
    hint: lineSchema.default(""),
  }),
  z.strictObject({ type: z.literal("wait.cancel"), ...session, waitId: idSchema("wait") }),
  /** The agent was told how its wait ended. */
  z.strictObject({ type: z.literal("wait.acknowledge"), ...session, waitId: idSchema("wait") }),
  /** The daemon saw that `into` holds all of `branch`. */
  z.strictObject({
    type: z.literal("branch.report-merged"),
    branch: z.string().max(500),
    into: z.string().max(500),
  }),
  /** Nobody may join any more. Sessions that are here are ended. */
  z.strictObject({ type: z.literal("coordination.finish"), reason: lineSchema.default("") }),
  z.strictObject({ type: z.literal("coordination.reopen") }),
  /** Forgets ended sessions, old messages, waits, touches and feed lines. */
  z.strictObject({ type: z.literal("coordination.prune"), beforeMs: z.int().nonnegative() }),
] as const;

/** Every command about coordination. */
export const coordinationCommandSchemas = [
  ...presenceCommandSchemas,
  ...claimCommandSchemas,
  ...mailCommandSchemas,
  ...waitCommandSchemas,
] as const;
