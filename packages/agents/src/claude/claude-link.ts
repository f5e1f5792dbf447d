import { randomUUID } from "node:crypto";
import type { Json, SubAgent } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol";
import type { AgentCapabilities } from "../agent-driver.ts";
import type { PromptInput } from "../prompt-queue.ts";
import { classifyFailure } from "../classify-error.ts";
import { readJsonLines } from "../session/json-lines.ts";
import type { JsonMessage } from "../session/json-lines.ts";
import { PLAIN_OPTIONS } from "../session/permission-broker.ts";
import type { AgentLink, ProcessParts, TurnOutcome } from "../session/process-session.ts";
import { createTurnError } from "../turn-error.ts";
import { controlCancelSchema, controlRequestSchema, controlResponseSchema } from "./claude-schema.ts";
import type { ClaudeResult } from "./claude-schema.ts";
import { toClaudeToolPatch } from "./claude-tool.ts";
import { ClaudeMapper } from "./map-claude-message.ts";

/** What Claude Code can do, measured with 2.1.328. */
export const CLAUDE_CAPABILITIES: AgentCapabilities = {
  steer: "emulated",
  queue: "emulated",
  resume: true,
  fork: true,
  images: true,
  systemAppend: true,
  mcpHttp: true,
  modelList: true,
  cost: true,
  diff: true,
  refusal: true,
};

const REASONS: Readonly<Record<string, TurnOutcome["reason"]>> = {
  max_tokens: "max_tokens",
  refusal: "refusal",
};

type Waiting<T> = { readonly resolve: (value: T) => void; readonly reject: (error: Error) => void };

function judge(result: ClaudeResult, isCancelled: boolean): TurnOutcome {
  if (isCancelled || result.terminal_reason?.startsWith("aborted") === true)
    return { reason: "cancelled", error: null };
  if (result.subtype === "error_max_turns") return { reason: "max_turn_requests", error: null };
  if (!result.is_error) {
    const reason = REASONS[result.stop_reason ?? ""] ?? "end_turn";
    const error = reason === "refusal" ? createTurnError("refusal", "Claude refused the prompt") : null;
    return { reason, error };
  }
  const message = result.result ?? result.errors?.join("; ") ?? result.subtype;
  if (result.stop_reason === "refusal")
    return { reason: "refusal", error: createTurnError("refusal", message) };
  const data = { status: result.api_error_status ?? null, type: result.api_error_type ?? null };
  const { kind, retryAfterMs } = classifyFailure({ code: null, message, data });
  return { reason: "failed", error: createTurnError(kind, message, { retryAfterMs }) };
}

/** How a session speaks Claude's stream-json with its control protocol. */
export class ClaudeLink implements AgentLink {
  readonly capabilities = CLAUDE_CAPABILITIES;
  readonly nativeSessionId: string;
  readonly #parts: Omit<ProcessParts, "disconnect">;
  readonly #mapper: ClaudeMapper;
  readonly #controls = new Map<string, Waiting<unknown>>();
  readonly #asked = new Map<string, AbortController>();
  #turn: Waiting<ClaudeResult> | null = null;
  /** The last answer of the running turn; agents that it started may still be at work. */
  #result: ClaudeResult | null = null;
  #broken: Error | null = null;

  constructor(parts: Omit<ProcessParts, "disconnect">, nativeSessionId: string) {
    this.#parts = parts;
    this.nativeSessionId = nativeSessionId;
    this.#mapper = new ClaudeMapper(parts.writer);
    const { queue, writer, child } = parts;
    const reading = readJsonLines(child.stdout, {
      onMessage: (message) => this.#take(message),
      onNotice: (text) => writer.emit({ type: "notice", level: "warn", text }),
      room: () => (queue.hasRoom() ? null : queue.room()),
    });
    void reading.catch(() => undefined).then(() => this.disconnect());
  }

  /** Fails whatever waits for the agent. Idempotent. */
  disconnect(): void {
    this.#broken ??= new Error("the connection to the agent is closed");
    this.#turn?.reject(this.#broken);
    for (const waiting of this.#controls.values()) waiting.reject(this.#broken);
    this.#controls.clear();
  }

  /** Sends a control request and resolves with its answer. Throws `agent.failed` for a refusal. */
  async control(request: Readonly<Record<string, Json>>): Promise<unknown> {
    if (this.#broken !== null) throw this.#broken;
    const requestId = randomUUID();
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#controls.set(requestId, { resolve, reject });
    await this.#send({ type: "control_request", request_id: requestId, request });
    return promise;
  }

  /** See AgentLink. */
  async converse(
    { text, images }: PromptInput,
    turn: { readonly isCancelled: boolean },
  ): Promise<TurnOutcome> {
    if (this.#broken !== null) throw this.#broken;
    const { promise, resolve, reject } = Promise.withResolvers<ClaudeResult>();
    this.#turn = { resolve, reject };
    this.#result = null;
    const pictures = images.map(({ mediaType, base64 }) => ({
      type: "image",
      source: { type: "base64", media_type: mediaType, data: base64 },
    }));
    const message = { role: "user", content: [...pictures, { type: "text", text }] };
    await this.#send({ type: "user", message, parent_tool_use_id: null, session_id: "" });
    const result = await promise;
    this.#turn = null;
    return judge(result, turn.isCancelled);
  }

  /** See AgentLink. */
  async interrupt(): Promise<void> {
    const { tasks } = this.#mapper;
    const stopped = tasks.background.map((id) => this.control({ subtype: "stop_task", task_id: id }));
    await Promise.allSettled(stopped);
    await this.control({ subtype: "interrupt" });
  }

  #send(message: object): Promise<void> {
    return this.#parts.child.write(`${JSON.stringify(message)}\n`);
  }

  #take(message: JsonMessage): void {
    const { type } = message;
    if (type === "control_response") this.#takeResponse(message);
    else if (type === "control_request") void this.#takeRequest(message);
    else if (type === "control_cancel_request") {
      const parsed = controlCancelSchema.safeParse(message);
      if (parsed.success) this.#asked.get(parsed.data.request_id)?.abort();
    } else {
      this.#result = this.#mapper.take(message) ?? this.#result;
      if (this.#result !== null && this.#mapper.tasks.isResting) this.#turn?.resolve(this.#result);
    }
  }

  #takeResponse(message: JsonMessage): void {
    const parsed = controlResponseSchema.safeParse(message);
    if (!parsed.success) return;
    const { request_id: id, subtype, error, response } = parsed.data.response;
    const waiting = this.#controls.get(id);
    // Answers of ours come back as an echo; those are nobody's.
    if (waiting === undefined) return;
    this.#controls.delete(id);
    if (subtype === "success") waiting.resolve(response);
    else waiting.reject(new CanopyError("agent.failed", error ?? `${this.#parts.label} refused a request`));
  }

  async #takeRequest(message: JsonMessage): Promise<void> {
    const parsed = controlRequestSchema.safeParse(message);
    if (!parsed.success) return;
    const { request_id: requestId, request } = parsed.data;
    const controller = new AbortController();
    this.#asked.set(requestId, controller);
    const answer =
      request.subtype === "can_use_tool"
        ? await this.#decide(request, controller.signal)
        : { error: `Canopy does not know ${request.subtype}` };
    this.#asked.delete(requestId);
    const response =
      "error" in answer
        ? { subtype: "error", request_id: requestId, error: answer.error }
        : { subtype: "success", request_id: requestId, response: answer };
    await this.#send({ type: "control_response", response });
  }

  async #decide(
    request: {
      readonly tool_name?: string | undefined;
      readonly tool_use_id?: string | undefined;
      readonly agent_id?: string | undefined;
      readonly input?: Readonly<Record<string, Json>> | undefined;
    },
    signal: AbortSignal,
  ): Promise<object> {
    const name = request.tool_name ?? "tool";
    const input = request.input ?? {};
    const subAgent = this.#mapper.tasks.find(request.agent_id);
    if (name === "AskUserQuestion") return this.#question(input, subAgent, signal);
    const toolCallId = request.tool_use_id ?? randomUUID();
    const patch = toClaudeToolPatch(name, input);
    const asked = { toolCallId, patch, options: PLAIN_OPTIONS, subAgent };
    const optionId = await this.#parts.permissions.ask(asked, signal);
    if (optionId === "allow") return { behavior: "allow", updatedInput: input };
    return { behavior: "deny", message: "This was not allowed. Go on without it." };
  }

  async #question(
    input: Readonly<Record<string, Json>>,
    subAgent: SubAgent | undefined,
    signal: AbortSignal,
  ): Promise<object> {
    const questions: readonly unknown[] = Array.isArray(input["questions"]) ? input["questions"] : [];
    const texts = questions.map((question) => {
      const text: unknown =
        typeof question === "object" && question !== null ? Reflect.get(question, "question") : null;
      return typeof text === "string" ? text : "";
    });
    const answer = await this.#parts.permissions.askQuestion(
      { text: texts.join("\n"), schema: input, subAgent },
      signal,
    );
    if (answer === null)
      return { behavior: "deny", message: "Nobody answers questions here. Decide yourself and go on." };
    const answers =
      typeof answer === "object" ? answer : Object.fromEntries(texts.map((text) => [text, String(answer)]));
    return { behavior: "allow", updatedInput: { ...input, answers } };
  }
}
