import type { Usage } from "@canopy/protocol";
import { addUsage } from "@canopy/protocol";
import { classifyFailure } from "../classify-error.ts";
import type { EventWriter, ToolPatch } from "../event-writer.ts";
import { toolResultText } from "../claude/claude-tool.ts";
import { emitRaw } from "../session/emit-raw.ts";
import {
  deltaSchema,
  errorEventSchema,
  itemEventSchema,
  planSchema,
  textEventSchema,
  tokenUsageSchema,
  turnEventSchema,
} from "./codex-schema.ts";
import type { CodexItem, CodexTurn } from "./codex-schema.ts";

/** Nothing that a reader of the session needs: what they say is told by other events, or about the program itself. */
const QUIET = new Set([
  "account/rateLimits/updated",
  "item/reasoning/summaryPartAdded",
  "mcpServer/startupStatus/updated",
  "remoteControl/status/changed",
  "serverRequest/resolved",
  "thread/goal/cleared",
  "thread/name/updated",
  "thread/readState/changed",
  "thread/settings/updated",
  "thread/started",
  "thread/status/changed",
  "turn/diff/updated",
  "turn/started",
]);
const QUIET_ITEMS = new Set(["userMessage"]);
const PLAN_STATES = { inProgress: "in_progress", completed: "completed", pending: "pending" } as const;

function toolState(item: CodexItem): "in_progress" | "completed" | "failed" {
  if (item.status === "inProgress") return "in_progress";
  if (item.status === "failed" || item.status === "declined" || item.success === false) return "failed";
  return (item.exitCode ?? 0) === 0 ? "completed" : "failed";
}

function commandPatch(item: CodexItem): ToolPatch {
  const command = item.command ?? "";
  const input = { command, ...(item.cwd === undefined ? {} : { cwd: item.cwd }) };
  return { kind: "execute", title: command, input, output: item.aggregatedOutput ?? undefined };
}

/** The old text of a changed file is not told, only a diff in the usual format, which becomes the output. */
function filePatch(item: CodexItem): ToolPatch {
  const paths = (item.changes ?? []).map((change) => change.path);
  return {
    kind: "edit",
    title: `edit ${paths.join(", ")}`,
    locations: paths.map((path) => ({ path })),
    output: (item.changes ?? []).map((change) => change.diff ?? "").join("\n"),
  };
}

function callPatch(item: CodexItem): ToolPatch {
  const failure = item.error?.message;
  const content = item.result?.content ?? item.contentItems;
  return {
    kind: "other",
    title: item.server === undefined ? (item.tool ?? "tool") : `${item.server}: ${item.tool ?? "tool"}`,
    input: item.arguments,
    output: failure ?? (content === undefined || content === null ? undefined : toolResultText(content)),
  };
}

/** Agents that the agent starts, tells something, waits for or ends. */
function collabPatch(item: CodexItem): ToolPatch {
  const [line = ""] = item.prompt?.trim().split("\n") ?? [];
  return { kind: "think", title: `${item.tool ?? "agent"} ${line.slice(0, 80)}`.trim() };
}

function toPatch(item: CodexItem): ToolPatch | null {
  if (item.type === "collabAgentToolCall") return collabPatch(item);
  if (item.type === "commandExecution") return commandPatch(item);
  if (item.type === "fileChange") return filePatch(item);
  if (item.type === "mcpToolCall" || item.type === "dynamicToolCall") return callPatch(item);
  if (item.type === "webSearch") return { kind: "fetch", title: `search ${item.query ?? ""}` };
  return null;
}

/** Turns the notifications of codex's app-server into canonical events. One for each session; never throws. */
export class CodexMapper {
  readonly #writer: EventWriter;
  /** Texts that came in pieces; the whole one, which follows, is not told again. */
  readonly #streamed = new Set<string>();
  readonly #outputs = new Map<string, string>();
  /** What each thread has used: those of agents that ours has started count, too. */
  readonly #spent = new Map<string, Usage>();
  #openServerCall: string | null = null;
  #openAnswer: string | null = null;

  constructor(writer: EventWriter) {
    this.#writer = writer;
  }

  /** The tool call of a server that began last: requests for leave do not name it. */
  get openServerCall(): string | null {
    return this.#openServerCall;
  }

  /** True when an answer has begun of which nothing was told since. */
  get hasUnreadAnswer(): boolean {
    return this.#openAnswer !== null;
  }

  /** Writes the events of one notification and returns the turn when it ends one. */
  take(method: string, params: unknown): CodexTurn | null {
    if (method === "turn/started") this.#openAnswer = null;
    if (method === "turn/completed") {
      const parsed = turnEventSchema.safeParse(params);
      if (parsed.success) return parsed.data.turn;
    } else if (QUIET.has(method) || this.#known(method, params)) return null;
    emitRaw(this.#writer, `codex.${method}`, params ?? null);
    return null;
  }

  /** Of an agent that ours has started: what its tools do is told, and what it uses; what it says is its own affair. */
  takeOfSubAgent(method: string, params: unknown): void {
    if (method === "thread/tokenUsage/updated") this.#usage(params);
    const item = itemEventSchema.safeParse(params).data?.item;
    const isTool = item !== undefined && toPatch(item) !== null;
    if (isTool || method === "item/commandExecution/outputDelta") this.#known(method, params);
  }

  #known(method: string, params: unknown): boolean {
    if (method === "item/started" || method === "item/completed")
      return this.#item(params, method === "item/completed");
    if (method.startsWith("item/") && method.toLowerCase().endsWith("delta"))
      return this.#delta(method, params);
    if (method === "thread/tokenUsage/updated") return this.#usage(params);
    if (method === "turn/plan/updated") return this.#plan(params);
    if (method === "error") return this.#error(params);
    if (method === "thread/compacted") {
      this.#writer.emit({ type: "compaction", text: "the conversation was made shorter" });
      return true;
    }
    if (["warning", "deprecationNotice", "configWarning"].includes(method)) return this.#notice(params);
    return false;
  }

  #item(params: unknown, isEnd: boolean): boolean {
    const parsed = itemEventSchema.safeParse(params);
    if (!parsed.success) return false;
    const { item } = parsed.data;
    if (item.type === "agentMessage" || item.type === "reasoning") return this.#said(item, isEnd);
    const patch = toPatch(item);
    if (patch === null) return QUIET_ITEMS.has(item.type);
    const state = isEnd ? toolState(item) : "in_progress";
    this.#writer.tool(item.id, { ...patch, state });
    if (isEnd) this.#outputs.delete(item.id);
    if (item.type === "mcpToolCall") this.#openServerCall = isEnd ? null : item.id;
    return true;
  }

  /** An answer or a thought, which may have come in pieces already. */
  #said(item: CodexItem, isEnd: boolean): true {
    const isAnswer = item.type === "agentMessage";
    if (isAnswer) this.#openAnswer = isEnd ? null : item.id;
    if (!isEnd || this.#streamed.delete(item.id)) return true;
    if (isAnswer) this.#writer.message(item.text ?? "", item.id);
    else this.#writer.thought((item.summary ?? []).join("\n"), item.id);
    return true;
  }

  #delta(method: string, params: unknown): boolean {
    const parsed = deltaSchema.safeParse(params);
    if (!parsed.success) return false;
    const { itemId, delta } = parsed.data;
    if (itemId === this.#openAnswer) this.#openAnswer = null;
    if (method === "item/agentMessage/delta") this.#writer.message(delta, itemId);
    else if (method.startsWith("item/reasoning/")) this.#writer.thought(delta, itemId);
    else if (method === "item/commandExecution/outputDelta") {
      const output = (this.#outputs.get(itemId) ?? "") + delta;
      this.#outputs.set(itemId, output);
      this.#writer.tool(itemId, { output });
      return true;
    } else return method === "item/fileChange/outputDelta" || method === "item/plan/delta";
    this.#streamed.add(itemId);
    return true;
  }

  #usage(params: unknown): boolean {
    const parsed = tokenUsageSchema.safeParse(params);
    if (!parsed.success) return false;
    const { inputTokens, outputTokens, cachedInputTokens, cacheWriteInputTokens } =
      parsed.data.tokenUsage.total;
    this.#spent.set(parsed.data.threadId, {
      // Codex counts what came from the cache as input too.
      inputTokens: Math.max(0, inputTokens - cachedInputTokens),
      outputTokens,
      cacheReadTokens: cachedInputTokens,
      cacheWriteTokens: cacheWriteInputTokens,
      costUsd: null,
    });
    this.#writer.setUsage([...this.#spent.values()].reduce(addUsage));
    return true;
  }

  #plan(params: unknown): boolean {
    const parsed = planSchema.safeParse(params);
    if (!parsed.success) return false;
    const entries = parsed.data.plan.map(({ step, status }) => ({
      text: step,
      state: status === "inProgress" || status === "completed" ? PLAN_STATES[status] : PLAN_STATES.pending,
    }));
    this.#writer.emit({ type: "plan", entries });
    return true;
  }

  /** What is tried again is a notice; what is not ends the turn, which tells it as its error. */
  #error(params: unknown): boolean {
    const parsed = errorEventSchema.safeParse(params);
    if (!parsed.success) return false;
    const { willRetry, error } = parsed.data;
    if (!willRetry) return true;
    const { kind } = classifyFailure({ code: null, message: error.message, data: error });
    this.#writer.emit({ type: "notice", level: "warn", text: error.message, refusal: { kind } });
    return true;
  }

  #notice(params: unknown): boolean {
    const parsed = textEventSchema.safeParse(params);
    const text = parsed.data?.message ?? parsed.data?.summary;
    if (text === undefined) return false;
    this.#writer.emit({ type: "notice", level: "warn", text });
    return true;
  }
}
