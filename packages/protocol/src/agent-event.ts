import { z } from "zod";
import { jsonSchema } from "./json.ts";

/** Kinds of tool call, as ACP v1 names them. */
export const toolKindSchema = z.enum([
  "read",
  "edit",
  "delete",
  "move",
  "search",
  "execute",
  "think",
  "fetch",
  "switch_mode",
  "other",
]);

/** Why a turn ended. The first five are ACP v1 stop reasons; `failed` is an error, `lost` a vanished agent. */
export const turnEndReasonSchema = z.enum([
  "end_turn",
  "max_tokens",
  "max_turn_requests",
  "refusal",
  "cancelled",
  "failed",
  "lost",
]);

/** Classes of agent error, told apart because each has its own retry policy. */
export const agentErrorKindSchema = z.enum([
  "rate-limit",
  "authentication",
  "overload",
  "bad-request",
  "context-full",
  "crash",
  "refusal",
  "cancelled",
  "protocol",
  "timeout",
  "unknown",
]);

/** Tokens and money of one turn or so far. Counts are totals since the session began; `costUsd` is null when unknown. */
export const usageSchema = z.object({
  inputTokens: z.int().nonnegative(),
  outputTokens: z.int().nonnegative(),
  cacheReadTokens: z.int().nonnegative(),
  cacheWriteTokens: z.int().nonnegative(),
  costUsd: z.number().nonnegative().nullable(),
});

/** A file change that a tool reports. Texts are null for a file that did not or does not exist. */
export const toolDiffSchema = z.object({
  path: z.string(),
  oldText: z.string().nullable(),
  newText: z.string().nullable(),
});

/** The full value of a tool call, as of now. */
export const toolCallSchema = z.object({
  toolCallId: z.string(),
  kind: toolKindSchema,
  title: z.string(),
  state: z.enum(["pending", "in_progress", "completed", "failed"]),
  locations: z.array(z.object({ path: z.string(), line: z.int().optional() })),
  input: jsonSchema.optional(),
  output: z.string().optional(),
  diffs: z.array(toolDiffSchema),
});

/** One answer that a permission request offers. */
export const permissionOptionSchema = z.object({
  optionId: z.string(),
  name: z.string(),
  kind: z.enum(["allow_once", "allow_always", "reject_once", "reject_always"]),
});

/** An agent that the session's own agent has started: `name` is what it is told apart by, such as its task in a few words. */
export const subAgentSchema = z.object({ subAgentId: z.string(), name: z.string() });

/**
 * What an agent says, in one vocabulary for all agents (field reference 4.4). Durable ones carry full values;
 * `message.delta` and `thought.delta` are live only and are closed by `message.done` and `thought.done`.
 */
export const agentEventSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("session.started"), nativeSessionId: z.string().nullable() }),
  z.object({ type: z.literal("message.delta"), text: z.string() }),
  z.object({ type: z.literal("message.done"), text: z.string() }),
  z.object({ type: z.literal("thought.delta"), text: z.string() }),
  z.object({ type: z.literal("thought.done"), text: z.string() }),
  z.object({ type: z.literal("tool.started"), tool: toolCallSchema }),
  z.object({ type: z.literal("tool.updated"), tool: toolCallSchema }),
  z.object({ type: z.literal("tool.ended"), tool: toolCallSchema }),
  z.object({
    type: z.literal("plan"),
    entries: z.array(
      z.object({
        text: z.string(),
        state: z.enum(["pending", "in_progress", "completed"]),
        priority: z.enum(["high", "medium", "low"]).optional(),
      }),
    ),
  }),
  z.object({
    type: z.literal("permission.asked"),
    requestId: z.string(),
    tool: toolCallSchema,
    options: z.array(permissionOptionSchema),
    /** Who below the session's own agent asks; absent when that one does. */
    subAgent: subAgentSchema.optional(),
  }),
  z.object({
    type: z.literal("permission.answered"),
    requestId: z.string(),
    optionId: z.string().nullable(),
    by: z.string(),
  }),
  z.object({
    type: z.literal("question.asked"),
    requestId: z.string(),
    text: z.string(),
    schema: jsonSchema.optional(),
    subAgent: subAgentSchema.optional(),
  }),
  z.object({
    type: z.literal("question.answered"),
    requestId: z.string(),
    answer: jsonSchema,
    by: z.string(),
  }),
  z.object({ type: z.literal("usage"), usage: usageSchema }),
  z.object({ type: z.literal("model.changed"), model: z.string() }),
  z.object({ type: z.literal("mode.changed"), mode: z.string() }),
  z.object({
    type: z.literal("commands"),
    commands: z.array(z.object({ name: z.string(), description: z.string() })),
  }),
  z.object({ type: z.literal("compaction"), text: z.string() }),
  z.object({
    type: z.literal("notice"),
    level: z.enum(["debug", "info", "warn"]),
    text: z.string(),
    /** Its provider refused a request, which the agent makes again by itself: others of the account had better wait, too. */
    refusal: z
      .object({ kind: agentErrorKindSchema, retryAfterMs: z.int().nonnegative().optional() })
      .optional(),
  }),
  z.object({
    type: z.literal("error"),
    kind: agentErrorKindSchema,
    message: z.string(),
    retryAfterMs: z.int().nonnegative().optional(),
  }),
  z.object({ type: z.literal("raw"), source: z.string(), value: jsonSchema }),
  z.object({ type: z.literal("turn.ended"), reason: turnEndReasonSchema }),
]);

/** One canonical agent event. */
export type AgentEvent = z.infer<typeof agentEventSchema>;
/** The full value of a tool call. */
export type ToolCall = z.infer<typeof toolCallSchema>;
/** An agent that the session's own agent has started. */
export type SubAgent = z.infer<typeof subAgentSchema>;
/** A class of agent error. */
export type AgentErrorKind = z.infer<typeof agentErrorKindSchema>;
/** Why a turn ended. */
export type TurnEndReason = z.infer<typeof turnEndReasonSchema>;
/** Tokens and money. */
export type Usage = z.infer<typeof usageSchema>;
/** One answer that a permission request offers. */
export type PermissionOption = z.infer<typeof permissionOptionSchema>;

/** Nothing used yet. */
export const ZERO_USAGE: Usage = {
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  costUsd: null,
};

/** True for events that are sent to live viewers only and never stored. */
export function isLiveOnly(event: AgentEvent): boolean {
  return event.type === "message.delta" || event.type === "thought.delta";
}
