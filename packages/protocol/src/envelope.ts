import { z } from "zod";
import { jsonSchema } from "./json.ts";

/** Who asked: a person, an agent session, a runner, or the room itself. */
export const actorSchema = z.object({
  kind: z.enum(["person", "agent", "runner", "system"]),
  /** A login or e-mail, a session id, a runner id, or `canopy`. */
  id: z.string().min(1).max(200),
});

/** Who asked for something. */
export type Actor = z.infer<typeof actorSchema>;

/** The room acting by itself: timers, scheduling. */
export const SYSTEM_ACTOR: Actor = { kind: "system", id: "canopy" };

/**
 * A command on its way into a room. `key` makes it idempotent: the second delivery of a key returns the first answer.
 */
export const commandEnvelopeSchema = z.object({
  key: z.string().min(8).max(200),
  actor: actorSchema,
  command: z.looseObject({ type: z.string() }),
});

/**
 * An event as it is stored and sent. `seq` is gap-free per room, from 1. `version` is the version of the payload's
 * schema; older ones are upcast when read. `commandKey` names the command that caused it.
 */
export const eventEnvelopeSchema = z.object({
  seq: z.int().positive(),
  type: z.string(),
  version: z.int().positive(),
  atMs: z.int().nonnegative(),
  actor: actorSchema,
  commandKey: z.string(),
  payload: jsonSchema,
});

/** An event of any type as it is stored and sent. */
export type EventEnvelope = z.infer<typeof eventEnvelopeSchema>;
