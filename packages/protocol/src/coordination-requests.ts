import { z } from "zod";
import { claimModeSchema, messageKindSchema } from "./coordination.ts";

const names = z.array(z.string().min(1).max(4096)).max(100).default([]);
const text = z.string().max(500);
const durationMs = z.int().min(100).max(86_400_000);

/**
 * Who acts: a session that is named, or that the agent's own id or the process that asks leads to. None of them: a
 * person.
 */
export const actingAsSchema = z.strictObject({
  /** A handle or an id. */
  session: z.string().min(1).max(300).optional(),
  /** An agent with its own id of the session; joins when it is new. */
  agent: z.string().min(1).max(100).optional(),
  nativeSessionId: z.string().min(1).max(300).optional(),
  /** The process that asks; its parents are looked at. */
  pid: z.int().positive().optional(),
});

/** Everything that agents and people do in coordination, with paths and names as they type them. */
export const coordinationActionSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("whoami") }),
  z.strictObject({ type: z.literal("sessions"), all: z.boolean().default(false) }),
  /** Paths; `DIR/` for a folder, globs, `port:3000` and other `TYPE:NAME` for resources. */
  z.strictObject({
    type: z.literal("claim"),
    targets: names,
    mode: claimModeSchema.default("exclusive"),
    scope: z.enum(["worktree", "repository"]).default("worktree"),
    reason: text.default(""),
    ttlMs: durationMs.optional(),
    wait: z.boolean().default(false),
    waitMs: durationMs.default(600_000),
    /** Only says what would happen. */
    check: z.boolean().default(false),
  }),
  z.strictObject({
    type: z.literal("release"),
    targets: names,
    claims: names,
    all: z.boolean().default(false),
    fence: z.int().positive().optional(),
  }),
  z.strictObject({ type: z.literal("renew"), claims: names, ttlMs: durationMs.optional() }),
  z.strictObject({ type: z.literal("claims"), mine: z.boolean().default(false) }),
  z.strictObject({ type: z.literal("force"), claims: names, targets: names, reason: text.min(1) }),
  z.strictObject({ type: z.literal("hand-over"), targets: names, claims: names, to: z.string().min(1) }),
  z.strictObject({
    type: z.literal("send"),
    to: z.string().trim().min(1).max(500),
    kind: messageKindSchema.default("info"),
    body: z.string(),
    replyTo: z.string().max(200).optional(),
    priority: z.enum(["low", "normal", "high"]).default("normal"),
    deadlineMs: durationMs.optional(),
    /** What a request to yield is about. */
    targets: names,
  }),
  z.strictObject({
    type: z.literal("inbox"),
    all: z.boolean().default(false),
    limit: z.int().min(1).max(200).default(20),
  }),
  /** All when none is named. */
  z.strictObject({ type: z.literal("ack"), messages: names }),
  z.strictObject({
    type: z.literal("yield"),
    message: z.string().min(1),
    answer: z.enum(["accept", "decline", "after"]),
    afterMs: durationMs.optional(),
    note: text.default(""),
  }),
  /**
   * `claim:PATH`, `granted:TICKET`, `idle:@WHO`, `ended:@WHO`, `message`, `message:@WHO`, `reply:MESSAGE`, `file:PATH`,
   * `task:TASK=STATE`, `landed:CHANGE`, `branch:NAME>INTO`.
   */
  z.strictObject({
    type: z.literal("wait"),
    for: z.array(z.string().min(1).max(4096)).min(1).max(20),
    combine: z.enum(["any", "all"]).default("any"),
    timeoutMs: durationMs.default(600_000),
    hint: text.default(""),
    /** How long the answer may take; the wait goes on after it. */
    blockMs: z.int().min(0).max(3_600_000).default(0),
  }),
  /** Goes on waiting for a wait that was begun. */
  z.strictObject({
    type: z.literal("wait-on"),
    waitId: z.string().min(1),
    blockMs: z.int().min(0).max(3_600_000).default(0),
  }),
  z.strictObject({ type: z.literal("cancel-wait"), waitId: z.string().min(1) }),
  /** What I am doing, in a line. */
  z.strictObject({ type: z.literal("note"), text }),
  /** What is new, as text for an agent; told once. */
  z.strictObject({ type: z.literal("digest"), maxChars: z.int().min(200).max(10_000).optional() }),
  z.strictObject({
    type: z.literal("rename"),
    handle: z.string().min(1),
    role: z.string().max(40).optional(),
  }),
  z.strictObject({ type: z.literal("end"), reason: text.default("ended by hand") }),
  /** What happened lately, and why edits were refused. */
  z.strictObject({ type: z.literal("explain"), limit: z.int().min(1).max(1000).default(50) }),
  /** The files that `canopy show` and `canopy export` print and write, by name. */
  z.strictObject({ type: z.literal("export"), redacted: z.boolean().default(false) }),
  /** Everything that Canopy knows of the project goes, also from disk. Refused while agents of a run are at work. */
  z.strictObject({ type: z.literal("forget") }),
  z.strictObject({ type: z.literal("finish"), reason: text.default("") }),
  z.strictObject({ type: z.literal("reopen") }),
  z.strictObject({ type: z.literal("gc"), olderThanMs: z.int().min(0).default(2_592_000_000) }),
]);

/** One act of coordination. */
export const coordinationRequestSchema = z.strictObject({
  /** The folder that paths are relative to, and that says which project and work tree. */
  cwd: z.string().min(1).max(4096),
  as: actingAsSchema.default({}),
  action: coordinationActionSchema,
});

/** Who acts. */
export type ActingAs = z.infer<typeof actingAsSchema>;
/** What is done. */
export type CoordinationAction = z.infer<typeof coordinationActionSchema>;
/** One act of coordination, parsed. */
export type CoordinationRequest = z.infer<typeof coordinationRequestSchema>;
/** One act of coordination as a client writes it: defaults may be left out. */
export type CoordinationRequestInput = z.input<typeof coordinationRequestSchema>;
