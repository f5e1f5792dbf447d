import { z } from "zod";
import { permissionOptionSchema, subAgentSchema } from "./agent-event.ts";
import { idSchema } from "./ids.ts";
import { jsonSchema } from "./json.ts";

/** What is asked of a person: leave for a tool call, an answer, or whether work goes on beyond its budget. */
export const inquiryKindSchema = z.enum(["permission", "question", "budget"]);

/** Something that a session asks of people. One answer ends it. */
export const inquirySchema = z.object({
  inquiryId: idSchema("inquiry"),
  kind: inquiryKindSchema,
  sessionId: idSchema("session"),
  attemptId: idSchema("attempt"),
  taskId: idSchema("task"),
  /** The session that wrote what this one mends; null when this one works for itself. */
  parent: z
    .object({ sessionId: idSchema("session"), role: z.enum(["resolver", "repair"]) })
    .nullable()
    .default(null),
  /** Who below the session's own agent asks; null when that one does. */
  subAgent: subAgentSchema.nullable().default(null),
  text: z.string(),
  /** What can be answered; empty for free text. */
  options: z.array(permissionOptionSchema),
  /** The questions as the agent put them, when it did so in a form of its own. */
  details: jsonSchema,
  state: z.enum(["open", "answered", "closed"]),
  /** The chosen option's id (null: refused), or a text, or one text for each question. */
  answer: jsonSchema,
  /** Who answered, or why nobody need answer any more. */
  by: z.string().nullable(),
  openedAtMs: z.int(),
  endedAtMs: z.int().nullable(),
});

/** Commands of the project room about inquiries. */
export const inquiryCommandSchemas = [
  z.strictObject({
    type: z.literal("inquiry.open"),
    kind: inquiryKindSchema,
    sessionId: idSchema("session"),
    text: z.string().min(1).max(20_000),
    options: z.array(permissionOptionSchema).max(50).default([]),
    details: jsonSchema.default(null),
    subAgent: subAgentSchema.nullable().default(null),
  }),
  /** A person's answer: an option's id, null to refuse, a text, or an object with one text for each question. */
  z.strictObject({
    type: z.literal("inquiry.answer"),
    inquiryId: idSchema("inquiry"),
    answer: z
      .string()
      .max(100_000)
      .nullable()
      .or(z.record(z.string(), z.string().max(100_000))),
  }),
  /** Nobody need answer any more: time is over, or the agent took it back. */
  z.strictObject({
    type: z.literal("inquiry.close"),
    inquiryId: idSchema("inquiry"),
    by: z.string().min(1).max(200),
  }),
] as const;

const inquiry = { inquiry: inquirySchema };

/** Events of the project room about inquiries. */
export const inquiryEventSchemas = [
  z.object({ type: z.literal("inquiry.opened"), ...inquiry }),
  z.object({ type: z.literal("inquiry.answered"), ...inquiry }),
  z.object({ type: z.literal("inquiry.closed"), ...inquiry }),
] as const;

/** Something that a session asks of people. */
export type Inquiry = z.infer<typeof inquirySchema>;
