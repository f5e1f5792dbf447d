import { z } from "zod";
import { contextCommandSchemas, contextEntrySchema, contextEventSchemas } from "./context.ts";
import { agentEventSchema, turnEndReasonSchema } from "./agent-event.ts";
import { idSchema } from "./ids.ts";
import { imagesSchema } from "./image.ts";
import { promptSchema, sessionSchema, transcriptEntrySchema, turnSchema } from "./session.ts";

/** Every command of the feature room. */
export const featureCommandSchema = z.discriminatedUnion("type", [
  ...contextCommandSchemas,
  /** Opens a session; opening one that exists changes nothing. */
  z.strictObject({ type: z.literal("session.open"), session: sessionSchema }),
  z.strictObject({
    type: z.literal("prompt.submit"),
    sessionId: idSchema("session"),
    author: z.string().min(1).max(200),
    text: z.string().min(1).max(8_388_608),
    images: imagesSchema.optional(),
    delivery: z.enum(["queue", "interrupt"]).default("queue"),
  }),
  z.strictObject({
    type: z.literal("turn.start"),
    sessionId: idSchema("session"),
    promptId: idSchema("prompt"),
  }),
  /** Durable events only: a delta is refused. */
  z.strictObject({
    type: z.literal("turn.append"),
    sessionId: idSchema("session"),
    turnId: idSchema("turn"),
    events: z.array(agentEventSchema).min(1).max(1000),
  }),
  z.strictObject({
    type: z.literal("turn.end"),
    sessionId: idSchema("session"),
    turnId: idSchema("turn"),
    reason: turnEndReasonSchema,
  }),
  z.strictObject({
    type: z.literal("session.end"),
    sessionId: idSchema("session"),
    state: z.enum(["ended", "lost"]),
    reason: z.string().max(5000),
  }),
]);

/** Every durable event of the feature room. */
export const featureEventSchema = z.discriminatedUnion("type", [
  ...contextEventSchemas,
  z.object({ type: z.literal("session.opened"), session: sessionSchema }),
  z.object({ type: z.literal("session.updated"), session: sessionSchema }),
  z.object({ type: z.literal("session.ended"), session: sessionSchema }),
  z.object({ type: z.literal("prompt.queued"), prompt: promptSchema }),
  z.object({ type: z.literal("prompt.taken"), prompt: promptSchema }),
  z.object({ type: z.literal("turn.started"), turn: turnSchema }),
  z.object({ type: z.literal("turn.appended"), entry: transcriptEntrySchema }),
  z.object({ type: z.literal("timer.fired"), key: z.string() }),
  z.object({ type: z.literal("turn.ended"), turn: turnSchema }),
]);

/** All that a client of the feature room sees; transcripts are read by session and page. */
export const featureStateSchema = z.object({
  sessions: z.array(sessionSchema),
  prompts: z.array(promptSchema),
  turns: z.array(turnSchema),
  context: z.array(contextEntrySchema),
});

/** Text that an agent is writing right now: live only, closed by a durable `message.done` or `thought.done`. */
export const liveDeltaSchema = z.object({
  sessionId: idSchema("session"),
  turnId: idSchema("turn"),
  kind: z.enum(["message", "thought"]),
  text: z.string(),
});

/** A command of the feature room, parsed. */
export type FeatureCommand = z.infer<typeof featureCommandSchema>;
/** A durable event of the feature room. */
export type FeatureEvent = z.infer<typeof featureEventSchema>;
/** All that a client of the feature room sees. */
export type FeatureState = z.infer<typeof featureStateSchema>;
/** Text that an agent is writing right now. */
export type LiveDelta = z.infer<typeof liveDeltaSchema>;
