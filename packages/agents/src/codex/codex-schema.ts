import { z } from "zod";

const count = z.int().nonnegative().catch(0);

/** One item of a turn. Only what Canopy reads; everything else is passed over. */
export const itemSchema = z.looseObject({
  type: z.string(),
  id: z.string(),
  text: z.string().optional(),
  summary: z.array(z.unknown().optional()).optional(),
  command: z.string().optional(),
  cwd: z.string().optional(),
  status: z.string().nullish(),
  success: z.boolean().nullish(),
  aggregatedOutput: z.string().nullish(),
  exitCode: z.int().nullish(),
  changes: z
    .array(z.looseObject({ path: z.string(), diff: z.string().nullish(), kind: z.unknown().optional() }))
    .optional()
    .catch(undefined),
  server: z.string().optional(),
  tool: z.string().optional(),
  arguments: z.json().optional(),
  result: z.looseObject({ content: z.unknown().optional() }).nullish().catch(null),
  error: z.looseObject({ message: z.string().optional() }).nullish().catch(null),
  contentItems: z.unknown().optional(),
  query: z.string().nullish(),
  prompt: z.string().nullish(),
});

/** `item/started` and `item/completed`. */
export const itemEventSchema = z.looseObject({ item: itemSchema });

/** Deltas of texts and of a command's output. */
export const deltaSchema = z.looseObject({ itemId: z.string(), delta: z.string() });

/** `thread/tokenUsage/updated`. */
export const tokenUsageSchema = z.looseObject({
  threadId: z.string().catch(""),
  tokenUsage: z.looseObject({
    total: z.looseObject({
      inputTokens: count,
      cachedInputTokens: count,
      cacheWriteInputTokens: count,
      outputTokens: count,
    }),
  }),
});

/** Why a turn failed. */
export const turnErrorSchema = z.looseObject({
  message: z.string(),
  codexErrorInfo: z.json().optional(),
});

/** `error`. */
export const errorEventSchema = z.looseObject({
  error: turnErrorSchema,
  willRetry: z.boolean().catch(false),
});

/** `turn/started` and `turn/completed`. */
export const turnEventSchema = z.looseObject({
  turn: z.looseObject({ id: z.string(), status: z.string(), error: turnErrorSchema.nullish().catch(null) }),
});

/** `turn/plan/updated`. */
export const planSchema = z.looseObject({
  plan: z.array(z.looseObject({ step: z.string(), status: z.string() })),
});

/** Messages that are only text: warnings and notices. */
export const textEventSchema = z.looseObject({
  message: z.string().optional(),
  summary: z.string().optional(),
});

/** The answer to `thread/start` and `thread/resume`. */
export const threadResultSchema = z.looseObject({
  thread: z.looseObject({ id: z.string() }),
  model: z.string().optional(),
});

/** The answer to `turn/start`. */
export const turnResultSchema = z.looseObject({ turn: z.looseObject({ id: z.string() }) });

/** A server's request for leave to run a command, change files or call a tool. */
export const approvalSchema = z.looseObject({
  threadId: z.string().optional(),
  itemId: z.string().optional(),
  command: z.string().nullish(),
  cwd: z.string().nullish(),
  reason: z.string().nullish(),
  serverName: z.string().optional(),
  message: z.string().optional(),
  mode: z.string().optional(),
  requestedSchema: z.json().optional(),
  _meta: z
    .looseObject({ codex_approval_kind: z.string().optional(), tool_name: z.string().optional() })
    .nullish(),
});

/** `item/tool/requestUserInput`. */
export const userInputSchema = z.looseObject({
  threadId: z.string().optional(),
  questions: z.array(z.looseObject({ id: z.string(), question: z.string() })),
});

/** The end of a turn. */
export type CodexTurn = z.infer<typeof turnEventSchema>["turn"];
/** One item of a turn. */
export type CodexItem = z.infer<typeof itemSchema>;
/** What codex asks leave for. */
export type CodexApproval = z.infer<typeof approvalSchema>;
