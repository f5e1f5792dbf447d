import type { AgentEvent } from "@canopy/protocol";
import { classifyFailure } from "../classify-error.ts";
import type { EventWriter } from "../event-writer.ts";
import { emitRaw } from "../session/emit-raw.ts";
import type { JsonMessage } from "../session/json-lines.ts";
import { conversationSchema, resultSchema, streamEventSchema, systemSchema } from "./claude-schema.ts";
import type { ClaudeBlock, ClaudeResult } from "./claude-schema.ts";
import { ClaudeTasks } from "./claude-tasks.ts";
import { toClaudeToolPatch, toolResultText } from "./claude-tool.ts";

/** Said by every stream; what they tell is in other events or is of no use to anybody. */
const QUIET_STREAM_EVENTS = new Set(["content_block_stop", "message_delta", "message_stop", "ping"]);
const QUIET_SYSTEM = new Set(["status", "hook_started", "hook_response"]);

/** The model's server refused, and Claude asks again by itself. */
function describeRetry(message: JsonMessage): AgentEvent {
  const { attempt, max_retries: most, error_status: status, retry_delay_ms: delayMs } = message;
  const text = `the model's server answered ${String(status)}; try ${String(attempt)} of ${String(most)}`;
  const { kind } = classifyFailure({ code: null, message: text, data: { status } });
  const wait = typeof delayMs === "number" && delayMs >= 0 ? { retryAfterMs: Math.ceil(delayMs) } : undefined;
  return { type: "notice", level: "warn", text, refusal: { kind, ...wait } };
}

/** Turns Claude's stream-json messages into canonical events. One for each session; never throws. */
export class ClaudeMapper {
  readonly tasks = new ClaudeTasks();
  readonly #writer: EventWriter;
  /** Messages whose text came in pieces, so that the whole one, which follows, is not told again. */
  #streamedId: string | null = null;
  #messageId: string | null = null;
  #model: string | null = null;
  #mode: string | null = null;

  constructor(writer: EventWriter) {
    this.#writer = writer;
  }

  /** Writes the events of one message and returns the result when it ends a turn. */
  take(message: JsonMessage): ClaudeResult | null {
    const { type } = message;
    if (type === "result") return this.#result(message);
    const isKnown =
      type === "assistant" || type === "user"
        ? this.#conversation(message)
        : type === "stream_event"
          ? this.#streamEvent(message)
          : type === "system" && this.#system(message);
    if (!isKnown) emitRaw(this.#writer, `claude.${typeof type === "string" ? type : "unknown"}`, message);
    return null;
  }

  #result(message: JsonMessage): ClaudeResult | null {
    const parsed = resultSchema.safeParse(message);
    if (!parsed.success) {
      emitRaw(this.#writer, "claude.result", message);
      return null;
    }
    const before = this.#writer.usage;
    const totals = Object.values(parsed.data.modelUsage);
    const sum = (pick: (usage: (typeof totals)[number]) => number, known: number): number =>
      Math.max(
        known,
        totals.reduce((total, usage) => total + pick(usage), 0),
      );
    this.#writer.setUsage({
      inputTokens: sum((usage) => usage.inputTokens, before.inputTokens),
      outputTokens: sum((usage) => usage.outputTokens, before.outputTokens),
      cacheReadTokens: sum((usage) => usage.cacheReadInputTokens, before.cacheReadTokens),
      cacheWriteTokens: sum((usage) => usage.cacheCreationInputTokens, before.cacheWriteTokens),
      costUsd: parsed.data.total_cost_usd ?? before.costUsd,
    });
    return parsed.data;
  }

  #conversation(message: JsonMessage): boolean {
    const parsed = conversationSchema.safeParse(message);
    if (!parsed.success) return false;
    // Our own prompt comes back as an echo.
    if (parsed.data.isReplay === true) return true;
    const { content, id = null } = parsed.data.message;
    if (typeof content === "string") return true;
    // What a sub-agent says is its own affair; what its tools do is told.
    const isSubAgent = (parsed.data.parent_tool_use_id ?? null) !== null;
    for (const block of content) this.#block(block, id, message["type"] === "user" || isSubAgent);
    return true;
  }

  #block(block: ClaudeBlock, messageId: string | null, isQuiet: boolean): void {
    const writer = this.#writer;
    if (block.type === "tool_use" && block.id !== undefined) {
      const patch = toClaudeToolPatch(block.name ?? "tool", block.input ?? {});
      writer.tool(block.id, { ...patch, state: "in_progress" });
    } else if (block.type === "tool_result" && block.tool_use_id !== undefined) {
      const state = block.is_error === true ? "failed" : "completed";
      writer.tool(block.tool_use_id, { state, output: toolResultText(block.content) });
    } else if (isQuiet || (messageId !== null && messageId === this.#streamedId)) {
      return;
    } else if (block.type === "text") writer.message(block.text ?? "", messageId);
    else if (block.type === "thinking") writer.thought(block.thinking ?? "", messageId);
    else emitRaw(writer, `claude.block.${block.type}`, block);
  }

  #streamEvent(message: JsonMessage): boolean {
    const parsed = streamEventSchema.safeParse(message);
    if (!parsed.success) return false;
    const { event, parent_tool_use_id: parent } = parsed.data;
    if ((parent ?? null) !== null) return true;
    if (event.type === "message_start") {
      this.#messageId = event.message?.id ?? null;
      return true;
    }
    if (event.type === "content_block_start") {
      const block = event.content_block;
      if (block?.type === "tool_use" && block.id !== undefined)
        this.#writer.tool(block.id, { title: block.name ?? "tool", state: "pending" });
      return true;
    }
    if (event.type !== "content_block_delta") return QUIET_STREAM_EVENTS.has(event.type);
    this.#delta(event.delta ?? {});
    return true;
  }

  #delta({ text, thinking }: { text?: string | undefined; thinking?: string | undefined }): void {
    if (text !== undefined || thinking !== undefined) this.#streamedId = this.#messageId;
    if (text !== undefined) this.#writer.message(text, this.#messageId);
    if (thinking !== undefined) this.#writer.thought(thinking, this.#messageId);
  }

  #system(message: JsonMessage): boolean {
    const parsed = systemSchema.safeParse(message);
    if (!parsed.success) return false;
    const { subtype, model, permissionMode } = parsed.data;
    if (subtype === "init") {
      if (model !== undefined && model !== this.#model) this.#writer.emit({ type: "model.changed", model });
      if (permissionMode !== undefined && permissionMode !== this.#mode)
        this.#writer.emit({ type: "mode.changed", mode: permissionMode });
      this.#model = model ?? this.#model;
      this.#mode = permissionMode ?? this.#mode;
      return true;
    }
    if (subtype === "api_retry") {
      this.#writer.emit(describeRetry(message));
      return true;
    }
    if (subtype === "permission_denied") {
      const text = `not allowed: ${String(message["tool_name"])}`;
      this.#writer.emit({ type: "notice", level: "info", text });
      return true;
    }
    if (subtype === "compact_boundary") {
      this.#writer.emit({ type: "compaction", text: "the conversation was made shorter" });
      return true;
    }
    return QUIET_SYSTEM.has(subtype) || this.tasks.take(subtype, message);
  }
}
