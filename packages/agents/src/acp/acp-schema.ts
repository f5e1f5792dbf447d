import { jsonSchema, permissionOptionSchema, toolKindSchema } from "@canopy/protocol";
import { z } from "zod";

/**
 * What Canopy reads of ACP v1, and no more. Agents drift from the published schema, so every field that is not
 * indispensable falls back instead of failing.
 */
const looseText = z.string().nullish().catch(null);

const contentBlockSchema = z.looseObject({
  type: z.string(),
  text: looseText,
  uri: looseText,
  name: looseText,
});

/** A piece of a message, thought or summary. */
export const chunkSchema = z.looseObject({ content: contentBlockSchema, messageId: looseText });

const toolContentSchema = z.looseObject({
  type: z.string(),
  content: contentBlockSchema.optional().catch(undefined),
  path: looseText,
  oldText: looseText,
  newText: looseText,
});

const locationSchema = z.looseObject({ path: z.string(), line: z.int().nullish().catch(null) });

/** A tool call or an update of one; all but the id may be missing. */
export const toolUpdateSchema = z.looseObject({
  toolCallId: z.string(),
  kind: toolKindSchema.nullish().catch("other"),
  title: looseText,
  status: z.enum(["pending", "in_progress", "completed", "failed"]).nullish().catch(null),
  content: z.array(toolContentSchema).nullish().catch(null),
  locations: z.array(locationSchema).nullish().catch(null),
  rawInput: jsonSchema.optional().catch(undefined),
  rawOutput: jsonSchema.optional().catch(undefined),
  _meta: z.looseObject({}).nullish().catch(null),
});

/** The agent's plan. */
export const planSchema = z.looseObject({
  entries: z.array(
    z.looseObject({
      content: z.string(),
      priority: z.enum(["high", "medium", "low"]).optional().catch(undefined),
      status: z.enum(["pending", "in_progress", "completed"]).catch("pending"),
    }),
  ),
});

/** The slash commands that the agent offers. */
export const commandsSchema = z.looseObject({
  availableCommands: z.array(z.looseObject({ name: z.string(), description: z.string().catch("") })),
});

/** Context size and cost so far. */
export const usageUpdateSchema = z.looseObject({
  cost: z.looseObject({ amount: z.number().nonnegative(), currency: z.string() }).nullish().catch(null),
});

/** The agent changed its mode. */
export const modeUpdateSchema = z.looseObject({ currentModeId: z.string() });

const configValueSchema = z.looseObject({ value: z.string(), name: z.string().catch("") });
const configGroupSchema = z.looseObject({ options: z.array(configValueSchema) });

/** One setting of a session, such as its model. */
export const configOptionSchema = z.looseObject({
  id: z.string(),
  category: looseText,
  currentValue: z.union([z.string(), z.boolean()]).optional().catch(undefined),
  options: z
    .array(z.union([configValueSchema, configGroupSchema]))
    .optional()
    .catch(undefined),
});

/** New values of a session's settings. */
export const configUpdateSchema = z.looseObject({ configOptions: z.array(configOptionSchema) });

/** A message from the agent's program rather than from its model. */
export const noticeSchema = z.looseObject({
  severity: z.string().catch("info"),
  title: z.string(),
  description: looseText,
});

/** The agent shortens its context. */
export const compactionSchema = z.looseObject({
  status: z.string(),
  summary: z.array(contentBlockSchema).nullish().catch(null),
  error: looseText,
});

/** Where codex-acp hides that a turn failed. */
export const sessionInfoSchema = z.looseObject({
  _meta: z
    .looseObject({
      codex: z
        .looseObject({ threadStatus: z.looseObject({ type: z.string() }).optional().catch(undefined) })
        .optional()
        .catch(undefined),
    })
    .nullish()
    .catch(null),
});

/** The parameters of `session/update`. */
export const sessionUpdateSchema = z.looseObject({ update: z.looseObject({ sessionUpdate: z.string() }) });

/** The parameters of `session/request_permission`. */
export const permissionRequestSchema = z.looseObject({
  toolCall: toolUpdateSchema,
  options: z.array(z.looseObject(permissionOptionSchema.shape)),
});

const authMethodSchema = z.looseObject({ id: z.string(), name: z.string().catch("") });
const presence = z.unknown().optional();

/** The answer to `initialize`. */
export const initializeResultSchema = z.looseObject({
  protocolVersion: z.int(),
  agentInfo: z.looseObject({ name: z.string(), version: looseText }).nullish().catch(null),
  authMethods: z.array(authMethodSchema).catch([]),
  agentCapabilities: z
    .looseObject({
      loadSession: z.boolean().catch(false),
      promptCapabilities: z.looseObject({ image: z.boolean().catch(false) }).catch({ image: false }),
      mcpCapabilities: z.looseObject({ http: z.boolean().catch(false) }).catch({ http: false }),
      sessionCapabilities: z.looseObject({ resume: presence, fork: presence }).nullish().catch(null),
    })
    .catch({
      loadSession: false,
      promptCapabilities: { image: false },
      mcpCapabilities: { http: false },
      sessionCapabilities: null,
    }),
});

/** The answer to `session/new`, `session/load` and `session/resume`; only `new` names the session. */
export const sessionResultSchema = z.looseObject({
  sessionId: looseText,
  modes: z.looseObject({ currentModeId: z.string() }).nullish().catch(null),
  models: z
    .looseObject({
      currentModelId: looseText,
      availableModels: z.array(z.looseObject({ modelId: z.string(), name: looseText })).catch([]),
    })
    .nullish()
    .catch(null),
  configOptions: z.array(configOptionSchema).nullish().catch(null),
});

const tokenCount = z.int().nonnegative().catch(0);

/** The answer to `session/prompt`. */
export const promptResultSchema = z.looseObject({
  stopReason: z.enum(["end_turn", "max_tokens", "max_turn_requests", "refusal", "cancelled"]),
  usage: z
    .looseObject({
      inputTokens: tokenCount,
      outputTokens: tokenCount,
      cachedReadTokens: tokenCount,
      cachedWriteTokens: tokenCount,
    })
    .nullish()
    .catch(null),
  _meta: z
    .looseObject({
      quota: z
        .looseObject({
          token_count: z
            .looseObject({ input_tokens: tokenCount, output_tokens: tokenCount })
            .optional()
            .catch(undefined),
        })
        .optional()
        .catch(undefined),
    })
    .nullish()
    .catch(null),
});

/** What an agent can do, from `initialize`. */
export type InitializeResult = z.infer<typeof initializeResultSchema>;
/** A session's modes, models and settings at its start. */
export type SessionResult = z.infer<typeof sessionResultSchema>;
/** How a turn ended and what it used. */
export type PromptResult = z.infer<typeof promptResultSchema>;
/** One setting of a session. */
export type ConfigOption = z.infer<typeof configOptionSchema>;
/** A tool call update as it came over the wire. */
export type ToolUpdate = z.infer<typeof toolUpdateSchema>;
