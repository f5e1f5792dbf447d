import { z } from "zod";
import { ERROR_CODES } from "./errors.ts";
import type { ErrorCode } from "./errors.ts";
import { eventEnvelopeSchema } from "./envelope.ts";
import { liveDeltaSchema } from "./feature-room.ts";
import { jsonSchema } from "./json.ts";
import { REJECTION_ERROR_CODES } from "./rejection.ts";
import type { RejectionCode } from "./rejection.ts";

/** Address of a room: `node`, `project/prj_...` or `feature/ftr_...`. */
export const roomAddressSchema = z
  .string()
  .regex(
    /^(node|project\/prj_[0-9a-z-]{1,40}|feature\/ftr_[0-9a-z-]{1,80})$/,
    "node, project/ID or feature/ID",
  );

/** An error over HTTP or WebSocket. `code` is stable; `rejection` is set when a room refused a command. */
export const wireErrorSchema = z.object({
  error: z.object({
    code: z.enum(ERROR_CODES as [ErrorCode, ...ErrorCode[]]),
    message: z.string(),
    hint: z.string().optional(),
    rejection: z.enum(Object.keys(REJECTION_ERROR_CODES) as [RejectionCode, ...RejectionCode[]]).optional(),
    data: jsonSchema.optional(),
  }),
});

/**
 * Frames from a client. Without `afterSeq` the server answers with a snapshot and goes on with events; with it, with
 * the events after it, or with a snapshot when they are no longer kept.
 */
export const clientFrameSchema = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("subscribe"),
    room: roomAddressSchema,
    afterSeq: z.int().nonnegative().optional(),
    /** Also send live-only deltas and activity. */
    live: z.boolean().default(false),
  }),
  z.strictObject({ type: z.literal("unsubscribe"), room: roomAddressSchema }),
]);

/** What an agent is doing right now, in one line: live only. */
export const activitySchema = z.object({
  attemptId: z.string(),
  taskId: z.string(),
  text: z.string(),
  atMs: z.int(),
});

/** Frames from the server. Events of one room arrive in order and without a gap after its snapshot or `afterSeq`. */
export const serverFrameSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("hello"), wireVersion: z.int(), version: z.string() }),
  z.object({ type: z.literal("snapshot"), room: roomAddressSchema, seq: z.int(), state: jsonSchema }),
  z.object({ type: z.literal("event"), room: roomAddressSchema, event: eventEnvelopeSchema }),
  z.object({ type: z.literal("live"), room: roomAddressSchema, delta: liveDeltaSchema }),
  z.object({ type: z.literal("activity"), room: roomAddressSchema, activity: activitySchema }),
  z.object({ type: z.literal("error"), error: wireErrorSchema.shape.error }),
]);

/** An error over the wire. */
export type WireError = z.infer<typeof wireErrorSchema>;
/** A frame from a client. */
export type ClientFrame = z.infer<typeof clientFrameSchema>;
/** A frame from the server. */
export type ServerFrame = z.infer<typeof serverFrameSchema>;
/** What an agent is doing right now. */
export type Activity = z.infer<typeof activitySchema>;
