import { jsonSchema } from "@canopy/protocol";
import { z } from "zod";

const text = z.string();
const maybe = <T extends z.ZodType>(schema: T): z.ZodCatch<z.ZodOptional<T>> =>
  schema.optional().catch(undefined);
const count = z.number().nonnegative().catch(0);

/** Why a message failed, as the server tells it. */
export const openCodeErrorSchema = z.looseObject({
  name: text,
  data: z
    .looseObject({
      message: maybe(text),
      statusCode: maybe(z.number()),
      responseHeaders: maybe(z.record(z.string(), z.string())),
    })
    .catch({}),
});

/** What a message is; the assistant's also say what they cost. */
export const openCodeMessageSchema = z.looseObject({
  id: text,
  sessionID: text,
  role: text,
  modelID: maybe(text),
  providerID: maybe(text),
  cost: maybe(z.number().nonnegative()),
  tokens: maybe(
    z.looseObject({
      input: count,
      output: count,
      reasoning: count,
      cache: z.looseObject({ read: count, write: count }),
    }),
  ),
  time: maybe(z.looseObject({ completed: maybe(z.number()) })),
  finish: maybe(text),
  error: maybe(openCodeErrorSchema),
});

/** A part of a message: text, a thought, a tool call, a step. */
export const openCodePartSchema = z.looseObject({
  id: text,
  sessionID: text,
  messageID: text,
  type: text,
  text: maybe(text),
  tool: maybe(text),
  callID: maybe(text),
  state: maybe(
    z.looseObject({
      status: text,
      input: maybe(jsonSchema),
      title: maybe(text),
      output: maybe(text),
      error: maybe(text),
      metadata: maybe(z.looseObject({ filediff: maybe(jsonSchema) })),
    }),
  ),
});

/** One event of the server. */
export const openCodeEventSchema = z.looseObject({
  type: text,
  properties: z.looseObject({}).catch({}),
});

/** The server asks for leave. */
export const openCodePermissionSchema = z.looseObject({
  id: text,
  sessionID: text,
  permission: text,
  patterns: z.array(text).catch([]),
  metadata: z.looseObject({ filepath: maybe(text), command: maybe(text) }).catch({}),
  tool: maybe(z.looseObject({ callID: text })),
});

/** The server asks a person. */
export const openCodeQuestionSchema = z.looseObject({
  id: text,
  sessionID: text,
  questions: z.array(z.looseObject({ question: text })).catch([]),
});

/** What the bridge prints. */
export const bridgeMessageSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ready"), status: z.number() }),
  z.object({ type: z.literal("answer"), id: z.number(), status: z.number(), text }),
  z.object({ type: z.literal("event"), event: openCodeEventSchema }),
]);

/** What a message is. */
export type OpenCodeMessage = z.infer<typeof openCodeMessageSchema>;
/** A part of a message. */
export type OpenCodePart = z.infer<typeof openCodePartSchema>;
/** One event of the server. */
export type OpenCodeEvent = z.infer<typeof openCodeEventSchema>;
/** Why a message failed. */
export type OpenCodeError = z.infer<typeof openCodeErrorSchema>;
