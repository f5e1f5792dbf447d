import type { Json, Usage } from "@canopy/protocol";
import { ZERO_USAGE, jsonSchema } from "@canopy/protocol";
import { z } from "zod";
import type { TurnError } from "../agent-driver.ts";
import { ClaudeMapper } from "../claude/map-claude-message.ts";
import { classifyFailure } from "../classify-error.ts";
import type { EventWriter, ToolPatch } from "../event-writer.ts";
import { toOpenCodeToolPatch } from "../opencode/map-opencode-event.ts";
import { openCodeErrorSchema, openCodePartSchema } from "../opencode/opencode-schema.ts";
import { emitRaw } from "../session/emit-raw.ts";
import type { JsonMessage } from "../session/json-lines.ts";
import { createTurnError } from "../turn-error.ts";

/** What a command prints: plain text, or the JSON lines of one of the agents' one-shot modes. */
export type OutputFormat = "text" | "claude" | "codex" | "gemini" | "opencode";

/** Reads the JSON lines that an agent prints when it is run for one prompt, such as `codex exec --json`. */
export interface StreamParser {
  take(message: JsonMessage): void;
  /** Why it failed, as the stream says; null when it does not say so. */
  readonly failure: TurnError | null;
}

const text = z.string();
const codexSchema = z.looseObject({
  type: text,
  message: text.optional(),
  error: z.looseObject({ message: text }).optional(),
  usage: z
    .looseObject({
      input_tokens: z.number().catch(0),
      output_tokens: z.number().catch(0),
      cached_input_tokens: z.number().catch(0),
      cache_write_input_tokens: z.number().catch(0),
    })
    .optional(),
  item: z
    .looseObject({
      id: text,
      type: text,
      text: text.optional(),
      message: text.optional(),
      command: text.optional(),
      aggregated_output: text.optional(),
      status: text.optional(),
      server: text.optional(),
      tool: text.optional(),
      query: text.optional(),
      arguments: jsonSchema.optional(),
      result: z.looseObject({ content: jsonSchema.optional() }).nullish(),
      error: z.looseObject({ message: text.optional() }).nullish(),
      changes: z.array(z.looseObject({ path: text, kind: jsonSchema.optional() })).optional(),
      items: z.array(z.looseObject({ text, completed: z.boolean().catch(false) })).optional(),
    })
    .optional(),
});
type CodexItem = NonNullable<z.infer<typeof codexSchema>["item"]>;

function fail(message: string, data: unknown = null): TurnError {
  const { kind, retryAfterMs } = classifyFailure({ code: null, message, data });
  return createTurnError(kind, message, { retryAfterMs });
}

function contentText(content: Json | undefined): string | undefined {
  if (!Array.isArray(content)) return undefined;
  return content.map((part) => String(Reflect.get(Object(part), "text") ?? "")).join("\n");
}

const CODEX_STATES: Readonly<Record<string, NonNullable<ToolPatch["state"]>>> = {
  in_progress: "in_progress",
  failed: "failed",
};

function toServerCall({
  server = "server",
  tool = "tool",
  arguments: input,
  error,
  result,
}: CodexItem): ToolPatch {
  const output = error?.message ?? contentText(result?.content);
  return { kind: "other", title: `${server}: ${tool}`, input, output };
}

function toCodexPatch(item: CodexItem): ToolPatch | null {
  const state = CODEX_STATES[item.status ?? ""] ?? "completed";
  if (item.type === "command_execution") {
    const command = item.command ?? "";
    const output = state === "in_progress" ? undefined : item.aggregated_output;
    return { kind: "execute", title: command, state, input: { command }, output };
  }
  if (item.type === "file_change") {
    const paths = (item.changes ?? []).map((change) => change.path);
    return {
      kind: "edit",
      title: `edit ${paths.join(", ")}`,
      state,
      locations: paths.map((path) => ({ path })),
    };
  }
  if (item.type === "mcp_tool_call") return { ...toServerCall(item), state };
  if (item.type === "web_search") return { kind: "fetch", title: `search ${item.query ?? ""}`, state };
  return null;
}

class CodexExecParser implements StreamParser {
  failure: TurnError | null = null;
  readonly #writer: EventWriter;

  constructor(writer: EventWriter) {
    this.#writer = writer;
  }

  take(message: JsonMessage): void {
    const parsed = codexSchema.safeParse(message);
    if (!parsed.success) return emitRaw(this.#writer, "codex.exec", message);
    const { type, item, usage, error } = parsed.data;
    if (type === "thread.started" || type === "turn.started") return;
    if (type.startsWith("item.") && item !== undefined) this.#item(item, message);
    else if (type === "turn.completed") this.#usage(usage);
    else if (type === "turn.failed") this.failure = fail(error?.message ?? "the turn failed");
    else if (type === "error")
      this.#writer.emit({ type: "notice", level: "warn", text: parsed.data.message ?? "error" });
    else emitRaw(this.#writer, `codex.exec.${type}`, message);
  }

  #item(item: CodexItem, message: JsonMessage): void {
    const patch = toCodexPatch(item);
    if (patch !== null) this.#writer.tool(item.id, patch);
    else if (item.type === "agent_message") this.#writer.message(item.text ?? "", item.id);
    else if (item.type === "reasoning") this.#writer.thought(item.text ?? "", item.id);
    else if (item.type === "error")
      this.#writer.emit({ type: "notice", level: "warn", text: item.message ?? "error" });
    else if (item.type === "todo_list") this.#plan(item);
    else emitRaw(this.#writer, `codex.exec.${item.type}`, message);
  }

  #plan(item: CodexItem): void {
    const entries = (item.items ?? []).map((entry) => ({
      text: entry.text,
      state: entry.completed ? ("completed" as const) : ("pending" as const),
    }));
    this.#writer.emit({ type: "plan", entries });
  }

  #usage(usage: z.infer<typeof codexSchema>["usage"]): void {
    if (usage === undefined) return;
    const total = this.#writer.usage;
    this.#writer.setUsage({
      inputTokens: total.inputTokens + usage.input_tokens,
      outputTokens: total.outputTokens + usage.output_tokens,
      cacheReadTokens: total.cacheReadTokens + usage.cached_input_tokens,
      cacheWriteTokens: total.cacheWriteTokens + usage.cache_write_input_tokens,
      costUsd: total.costUsd,
    });
  }
}

const geminiSchema = z.looseObject({
  type: text,
  model: text.optional(),
  role: text.optional(),
  content: text.optional(),
  tool_name: text.optional(),
  tool_id: text.optional(),
  parameters: jsonSchema.optional(),
  status: text.optional(),
  output: text.optional(),
  message: text.optional(),
  error: z.looseObject({ message: text.optional() }).optional(),
  stats: z
    .looseObject({
      input_tokens: z.number().catch(0),
      output_tokens: z.number().catch(0),
      cached: z.number().catch(0),
    })
    .optional(),
});

const GEMINI_KINDS: Readonly<Record<string, ToolPatch["kind"]>> = {
  run_shell_command: "execute",
  write_file: "edit",
  replace: "edit",
  read_file: "read",
  read_many_files: "read",
  list_directory: "search",
  glob: "search",
  search_file_content: "search",
  web_fetch: "fetch",
  google_web_search: "fetch",
};

class GeminiParser implements StreamParser {
  failure: TurnError | null = null;
  readonly #writer: EventWriter;

  constructor(writer: EventWriter) {
    this.#writer = writer;
  }

  take(message: JsonMessage): void {
    const parsed = geminiSchema.safeParse(message);
    if (!parsed.success) return emitRaw(this.#writer, "gemini", message);
    const { type, model, role, content } = parsed.data;
    if (type === "init") {
      if (model !== undefined) this.#writer.emit({ type: "model.changed", model });
    } else if (type === "message") {
      if (role !== "user") this.#writer.message(content ?? "");
    } else if (type === "tool_use" || type === "tool_result") this.#tool(parsed.data);
    else if (type === "error")
      this.#writer.emit({ type: "notice", level: "warn", text: parsed.data.message ?? "error" });
    else if (type === "result") this.#result(parsed.data);
    else emitRaw(this.#writer, `gemini.${type}`, message);
  }

  #result({ stats, status, error }: z.infer<typeof geminiSchema>): void {
    if (stats !== undefined) this.#writer.setUsage(toGeminiUsage(stats));
    if (status !== "success")
      this.failure = fail(error?.message ?? `it ended with ${status ?? "an error"}`, error);
  }

  #tool({
    type,
    tool_id: id,
    tool_name: name,
    parameters,
    status,
    output,
  }: z.infer<typeof geminiSchema>): void {
    if (id === undefined) return;
    if (type === "tool_result") {
      this.#writer.tool(id, { state: status === "success" ? "completed" : "failed", output });
      return;
    }
    const input = Object(parameters) as object;
    const about = ["command", "file_path", "pattern", "url"].map((key) => Reflect.get(input, key) as unknown);
    const first = about.find((value) => typeof value === "string");
    const title = typeof first === "string" ? `${name ?? "tool"} ${first}` : (name ?? "tool");
    this.#writer.tool(id, {
      kind: GEMINI_KINDS[name ?? ""] ?? "other",
      title,
      state: "in_progress",
      input: parameters,
    });
  }
}

function toGeminiUsage(stats: NonNullable<z.infer<typeof geminiSchema>["stats"]>): Usage {
  const { input_tokens: inputTokens, output_tokens: outputTokens, cached: cacheReadTokens } = stats;
  return { ...ZERO_USAGE, inputTokens, outputTokens, cacheReadTokens };
}

class OpenCodeRunParser implements StreamParser {
  failure: TurnError | null = null;
  readonly #writer: EventWriter;

  constructor(writer: EventWriter) {
    this.#writer = writer;
  }

  take(message: JsonMessage): void {
    const type = message["type"];
    if (type === "error") {
      const parsed = openCodeErrorSchema.safeParse(message["error"]);
      const error = parsed.success ? (parsed.data.data.message ?? parsed.data.name) : "it failed";
      this.failure = fail(error, message["error"]);
      return;
    }
    const part = openCodePartSchema.safeParse(message["part"]).data;
    if (part === undefined) return emitRaw(this.#writer, `opencode.run.${String(type)}`, message);
    if (type === "text") this.#writer.message(part.text ?? "", part.id);
    else if (type === "reasoning") this.#writer.thought(part.text ?? "", part.id);
    else if (type === "tool_use" && part.tool !== undefined && part.state !== undefined)
      this.#writer.tool(part.callID ?? part.id, toOpenCodeToolPatch(part.tool, part.state));
    else if (type === "step_finish") this.#usage(part);
    else if (type !== "step_start") emitRaw(this.#writer, `opencode.run.${String(type)}`, message);
  }

  #usage(part: z.infer<typeof openCodePartSchema>): void {
    const tokens: object = Object(part["tokens"]) as object;
    const cache: object = Object(Reflect.get(tokens, "cache")) as object;
    const count = (from: object, name: string): number => Number(Reflect.get(from, name)) || 0;
    const total = this.#writer.usage;
    this.#writer.setUsage({
      inputTokens: total.inputTokens + count(tokens, "input"),
      outputTokens: total.outputTokens + count(tokens, "output"),
      cacheReadTokens: total.cacheReadTokens + count(cache, "read"),
      cacheWriteTokens: total.cacheWriteTokens + count(cache, "write"),
      costUsd: (total.costUsd ?? 0) + count(part, "cost"),
    });
  }
}

class ClaudeParser implements StreamParser {
  failure: TurnError | null = null;
  readonly #mapper: ClaudeMapper;

  constructor(writer: EventWriter) {
    this.#mapper = new ClaudeMapper(writer);
  }

  take(message: JsonMessage): void {
    const result = this.#mapper.take(message);
    if (result === null || !result.is_error) return;
    const data = { status: result.api_error_status ?? null, type: result.api_error_type ?? null };
    this.failure = fail(result.result ?? result.errors?.join("; ") ?? result.subtype, data);
  }
}

/** Makes the parser of a format; null for plain text, which needs none. */
export function createStreamParser(format: OutputFormat, writer: EventWriter): StreamParser | null {
  if (format === "claude") return new ClaudeParser(writer);
  if (format === "codex") return new CodexExecParser(writer);
  if (format === "gemini") return new GeminiParser(writer);
  if (format === "opencode") return new OpenCodeRunParser(writer);
  return null;
}
