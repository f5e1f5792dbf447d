import { z } from "zod";
import { agentEventSchema, turnEndReasonSchema, usageSchema } from "./agent-event.ts";
import { presenceSchema } from "./coordination.ts";
import { forkPointSchema } from "./fork.ts";
import { idSchema } from "./ids.ts";
import { imagesSchema } from "./image.ts";

/** State of an agent session. `idle` means between turns, not ended. */
export const sessionStateSchema = z.enum(["starting", "active", "idle", "waiting", "lost", "ended"]);

/** The full value of an agent session. */
export const sessionSchema = z.object({
  sessionId: idSchema("session"),
  featureId: idSchema("feature"),
  attemptId: idSchema("attempt").nullable(),
  taskId: idSchema("task").nullable(),
  title: z.string(),
  agent: z.string(),
  model: z.string().nullable(),
  nativeSessionId: z.string().nullable(),
  /** Set when it began with another's conversation. */
  forkOf: forkPointSchema.optional(),
  state: sessionStateSchema,
  endReason: z.string().nullable(),
  /** How much its processes are kept from: `none`, `process`, `sandbox`, `container`; null until they are started. */
  sandboxLevel: z.string().nullable().default(null),
  usage: usageSchema,
  openedAtMs: z.int(),
  endedAtMs: z.int().nullable(),
  /** How it takes part in coordination; null when it never did. */
  presence: presenceSchema.nullable().default(null),
});

/** A prompt to a session: queued, then taken by a turn. */
export const promptSchema = z.object({
  promptId: idSchema("prompt"),
  sessionId: idSchema("session"),
  author: z.string(),
  text: z.string(),
  images: imagesSchema.optional(),
  /** In line behind the running turn, or instead of it. */
  delivery: z.enum(["queue", "interrupt"]).default("queue"),
  state: z.enum(["queued", "taken", "cancelled"]),
  atMs: z.int(),
});

/** One prompt-to-idle turn of a session. */
export const turnSchema = z.object({
  turnId: idSchema("turn"),
  sessionId: idSchema("session"),
  promptId: idSchema("prompt"),
  state: z.enum(["active", "ended"]),
  reason: turnEndReasonSchema.nullable(),
  startedAtMs: z.int(),
  endedAtMs: z.int().nullable(),
});

/** One durable line of a transcript: a canonical agent event with its place. `index` counts up from 1 per session. */
export const transcriptEntrySchema = z.object({
  sessionId: idSchema("session"),
  turnId: idSchema("turn"),
  index: z.int().positive(),
  atMs: z.int(),
  event: agentEventSchema,
});

/** The full value of an agent session. */
export type Session = z.infer<typeof sessionSchema>;
/** State of an agent session. */
export type SessionState = z.infer<typeof sessionStateSchema>;
/** A prompt to a session. */
export type Prompt = z.infer<typeof promptSchema>;
/** One turn of a session. */
export type Turn = z.infer<typeof turnSchema>;
/** One durable line of a transcript. */
export type TranscriptEntry = z.infer<typeof transcriptEntrySchema>;
