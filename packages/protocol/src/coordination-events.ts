import { z } from "zod";
import {
  claimEndSchema,
  claimSchema,
  deliverySchema,
  messageSchema,
  ticketEndSchema,
  ticketSchema,
  touchSchema,
  waitSchema,
} from "./coordination.ts";
import { idSchema } from "./ids.ts";

/** Durable events about coordination. `session.registered` and `session.updated` tell who is here. */
export const coordinationEventSchemas = [
  z.object({ type: z.literal("claim.granted"), claim: claimSchema }),
  /** Renewed, or taken up after a hand-over. */
  z.object({ type: z.literal("claim.updated"), claim: claimSchema }),
  z.object({
    type: z.literal("claim.ended"),
    claim: claimSchema,
    how: claimEndSchema,
    /** By whom and why, when it was not its holder. */
    detail: z.string(),
  }),
  z.object({ type: z.literal("ticket.queued"), ticket: ticketSchema }),
  z.object({ type: z.literal("ticket.ended"), ticket: ticketSchema, how: ticketEndSchema }),
  z.object({
    type: z.literal("edit.refused"),
    sessionId: idSchema("session"),
    tool: z.string(),
    text: z.string(),
  }),
  z.object({ type: z.literal("edit.bypassed"), sessionId: idSchema("session").nullable(), text: z.string() }),
  z.object({ type: z.literal("files.touched"), touches: z.array(touchSchema) }),
  z.object({ type: z.literal("message.sent"), message: messageSchema }),
  z.object({ type: z.literal("message.updated"), message: messageSchema }),
  z.object({ type: z.literal("message.moved"), deliveries: z.array(deliverySchema) }),
  /** What was put before an agent: the feed up to `feedSeq`, messages and waits. */
  z.object({
    type: z.literal("digest.taken"),
    sessionId: idSchema("session"),
    epoch: z.int(),
    feedSeq: z.int().nonnegative(),
  }),
  z.object({ type: z.literal("wait.started"), wait: waitSchema }),
  z.object({ type: z.literal("wait.updated"), wait: waitSchema }),
  z.object({ type: z.literal("branch.merged"), branch: z.string(), into: z.string() }),
  z.object({ type: z.literal("coordination.finished"), reason: z.string() }),
  z.object({ type: z.literal("coordination.reopened") }),
  z.object({ type: z.literal("coordination.pruned"), beforeMs: z.int().nonnegative() }),
] as const;
