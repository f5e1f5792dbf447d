import { z } from "zod";

const count = z.int().nonnegative().catch(0);

/** One block of a message. */
export const blockSchema = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  thinking: z.string().optional(),
  id: z.string().optional(),
  name: z.string().optional(),
  input: z.json().optional(),
  tool_use_id: z.string().optional(),
  is_error: z.boolean().nullish(),
  content: z.unknown().optional(),
});

/** `assistant` and `user` messages. */
export const conversationSchema = z.looseObject({
  isReplay: z.boolean().optional(),
  is_api_error_message: z.boolean().optional(),
  parent_tool_use_id: z.string().nullish(),
  message: z.looseObject({
    id: z.string().optional(),
    content: z.union([z.string(), z.array(blockSchema)]),
  }),
});

/** `stream_event`: one event of the model's own stream. */
export const streamEventSchema = z.looseObject({
  parent_tool_use_id: z.string().nullish(),
  event: z.looseObject({
    type: z.string(),
    index: z.int().optional(),
    message: z.looseObject({ id: z.string() }).optional(),
    content_block: blockSchema.optional(),
    delta: z
      .looseObject({
        type: z.string().optional(),
        text: z.string().optional(),
        thinking: z.string().optional(),
      })
      .optional(),
  }),
});

/** `system`: what the agent says about itself. */
export const systemSchema = z.looseObject({
  subtype: z.string(),
  session_id: z.string().optional(),
  model: z.string().optional(),
  permissionMode: z.string().optional(),
});

/** `result`: the end of a turn. */
export const resultSchema = z.looseObject({
  subtype: z.string(),
  is_error: z.boolean().catch(false),
  result: z.string().optional(),
  errors: z.array(z.string()).optional().catch(undefined),
  terminal_reason: z.string().nullish(),
  stop_reason: z.string().nullish(),
  api_error_status: z.int().nullish(),
  api_error_type: z.string().nullish(),
  total_cost_usd: z.number().nonnegative().nullish().catch(null),
  modelUsage: z
    .record(
      z.string(),
      z.looseObject({
        inputTokens: count,
        outputTokens: count,
        cacheReadInputTokens: count,
        cacheCreationInputTokens: count,
      }),
    )
    .catch({}),
});

/** A control request from the agent. */
export const controlRequestSchema = z.looseObject({
  request_id: z.string(),
  request: z.looseObject({
    subtype: z.string(),
    tool_name: z.string().optional(),
    tool_use_id: z.string().optional(),
    /** Which of the agents that it started asks. */
    agent_id: z.string().optional(),
    input: z.record(z.string(), z.json()).optional(),
  }),
});

/** An answer to a control request of ours. */
export const controlResponseSchema = z.looseObject({
  response: z.looseObject({
    subtype: z.string(),
    request_id: z.string(),
    error: z.string().optional(),
    response: z.unknown().optional(),
  }),
});

/** What the answer to `initialize` says of models. */
export const initializeAnswerSchema = z.looseObject({
  models: z
    .array(
      z.looseObject({
        value: z.string(),
        displayName: z.string().optional(),
        resolvedModel: z.string().optional(),
      }),
    )
    .catch([]),
});

/** The agent takes a control request back. */
export const controlCancelSchema = z.looseObject({ request_id: z.string() });

/** The end of a turn. */
export type ClaudeResult = z.infer<typeof resultSchema>;
/** One block of a message. */
export type ClaudeBlock = z.infer<typeof blockSchema>;
