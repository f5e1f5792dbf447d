import type { SubAgent } from "@canopy/protocol";
import type { AgentCapabilities } from "../agent-driver.ts";
import type { PromptInput } from "../prompt-queue.ts";
import { classifyFailure } from "../classify-error.ts";
import { readJsonLines } from "../session/json-lines.ts";
import type { JsonMessage } from "../session/json-lines.ts";
import { PLAIN_OPTIONS } from "../session/permission-broker.ts";
import type { AgentLink, ProcessParts, TurnOutcome } from "../session/process-session.ts";
import { createTurnError } from "../turn-error.ts";
import { approvalSchema, turnResultSchema, userInputSchema } from "./codex-schema.ts";
import type { CodexApproval, CodexTurn } from "./codex-schema.ts";
import { CodexMapper } from "./map-codex-event.ts";
import { SubThreads } from "./sub-threads.ts";

/** What codex's app-server can do, measured with 0.169.0. It tells no prices. */
export const CODEX_CAPABILITIES: AgentCapabilities = {
  steer: "emulated",
  queue: "emulated",
  resume: true,
  fork: true,
  images: true,
  systemAppend: true,
  mcpHttp: true,
  modelList: true,
  cost: false,
  diff: true,
  refusal: true,
};

/** An error that codex answered a request with. */
export class CodexError extends Error {
  readonly code: number;
  readonly data: unknown;

  constructor(code: number, message: string, data: unknown) {
    super(message);
    this.name = "CodexError";
    this.code = code;
    this.data = data;
  }
}

type Waiting<T> = { readonly resolve: (value: T) => void; readonly reject: (error: Error) => void };

/** `isUnread`: its last answer had nothing that codex can read, which is how it passes over a refusal of OpenAI's API. */
function judge(turn: CodexTurn, isCancelled: boolean, isUnread: boolean): TurnOutcome {
  if (isCancelled || turn.status === "interrupted") return { reason: "cancelled", error: null };
  if (turn.status !== "failed" && isUnread)
    return { reason: "refusal", error: createTurnError("refusal", "the model refused the prompt") };
  if (turn.status !== "failed") return { reason: "end_turn", error: null };
  const message = turn.error?.message ?? "the turn failed";
  const { kind, retryAfterMs } = classifyFailure({ code: null, message, data: turn.error ?? null });
  const reason = kind === "refusal" ? ("refusal" as const) : ("failed" as const);
  return { reason, error: createTurnError(kind, message, { retryAfterMs }) };
}

/** How a session speaks with codex's app-server: JSON-RPC without the version, one object a line. */
export class CodexLink implements AgentLink {
  readonly capabilities = CODEX_CAPABILITIES;
  readonly #parts: Omit<ProcessParts, "disconnect">;
  readonly #mapper: CodexMapper;
  readonly #requests = new Map<number, Waiting<unknown>>();
  readonly #asked = new Map<string, AbortController>();
  #requestCount = 0;
  #threadId = "";
  #turnId: string | null = null;
  readonly #subThreads = new SubThreads();
  #turn: Waiting<CodexTurn> | null = null;
  /** How the turn ended; agents that it started may still be at work. */
  #ended: CodexTurn | null = null;
  #broken: Error | null = null;

  constructor(parts: Omit<ProcessParts, "disconnect">) {
    this.#parts = parts;
    this.#mapper = new CodexMapper(parts.writer);
    const { queue, writer, child } = parts;
    const reading = readJsonLines(child.stdout, {
      onMessage: (message) => this.#take(message),
      onNotice: (text) => writer.emit({ type: "notice", level: "warn", text }),
      room: () => (queue.hasRoom() ? null : queue.room()),
    });
    void reading.catch(() => undefined).then(() => this.disconnect());
  }

  get nativeSessionId(): string {
    return this.#threadId;
  }

  /** Names the thread that prompts go to; call it once, when it is open. */
  useThread(threadId: string): void {
    this.#threadId = threadId;
  }

  /** Fails whatever waits for the agent. Idempotent. */
  disconnect(): void {
    this.#broken ??= new Error("the connection to the agent is closed");
    this.#turn?.reject(this.#broken);
    for (const waiting of this.#requests.values()) waiting.reject(this.#broken);
    this.#requests.clear();
  }

  /** Sends a request and resolves with the raw result. Rejects with a CodexError for an error answer. */
  async request(method: string, params: object): Promise<unknown> {
    if (this.#broken !== null) throw this.#broken;
    this.#requestCount += 1;
    const id = this.#requestCount;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#requests.set(id, { resolve, reject });
    await this.#send({ id, method, params });
    return promise;
  }

  /** Sends a notification. */
  notify(method: string): Promise<void> {
    return this.#send({ method });
  }

  /** See AgentLink. */
  async converse(
    { text, images }: PromptInput,
    turn: { readonly isCancelled: boolean },
  ): Promise<TurnOutcome> {
    const { promise, resolve, reject } = Promise.withResolvers<CodexTurn>();
    promise.catch(() => null);
    this.#turn = { resolve, reject };
    this.#ended = null;
    const pictures = images.map(({ mediaType, base64 }) => ({
      type: "image",
      url: `data:${mediaType};base64,${base64}`,
    }));
    const input = [...pictures, { type: "text", text, text_elements: [] }];
    try {
      const started = await this.request("turn/start", { threadId: this.#threadId, input });
      this.#turnId = turnResultSchema.safeParse(started).data?.turn.id ?? null;
      if (turn.isCancelled) void this.interrupt().catch(() => null);
      const ended = await promise;
      return judge(ended, turn.isCancelled, this.#mapper.hasUnreadAnswer);
    } catch (error) {
      if (!(error instanceof CodexError)) throw error;
      const { kind } = classifyFailure(error);
      return { reason: "failed", error: createTurnError(kind, error.message) };
    } finally {
      this.#turn = null;
      this.#turnId = null;
    }
  }

  /** See AgentLink. */
  async interrupt(): Promise<void> {
    const turns = new Map(this.#subThreads.running);
    // Before the turn has an id there is nothing to name; `converse` asks again when it has one.
    if (this.#turnId !== null && this.#ended === null) turns.set(this.#threadId, this.#turnId);
    await Promise.all(
      [...turns].map(([threadId, turnId]) => this.request("turn/interrupt", { threadId, turnId })),
    );
  }

  #send(message: object): Promise<void> {
    return this.#parts.child.write(`${JSON.stringify(message)}\n`);
  }

  #take(message: JsonMessage): void {
    const { id, method, params } = message;
    if (typeof method !== "string") this.#takeAnswer(message);
    else if (typeof id === "number" || typeof id === "string") void this.#takeRequest(id, method, params);
    else if (method === "serverRequest/resolved") this.#takeBack(params);
    else this.#takeEvent(method, params);
  }

  #takeEvent(method: string, params: unknown): void {
    this.#subThreads.noteCall(params);
    const threadId = this.#otherThread(params);
    if (threadId === null) this.#ended = this.#mapper.take(method, params) ?? this.#ended;
    else {
      this.#subThreads.noteTurn(threadId, method, params);
      this.#mapper.takeOfSubAgent(method, params);
    }
    if (this.#ended !== null && this.#subThreads.running.size === 0) this.#turn?.resolve(this.#ended);
  }

  /** The thread of an agent that ours has started; its story would end ours. Null for our own. */
  #otherThread(params: unknown): string | null {
    const threadId: unknown =
      typeof params === "object" && params !== null ? Reflect.get(params, "threadId") : null;
    const isOther = typeof threadId === "string" && this.#threadId !== "" && threadId !== this.#threadId;
    return isOther ? threadId : null;
  }

  #subAgent(params: unknown): SubAgent | undefined {
    const threadId = this.#otherThread(params);
    return threadId === null ? undefined : this.#subThreads.describe(threadId);
  }

  #takeAnswer(message: JsonMessage): void {
    const { id, error, result } = message;
    const waiting = typeof id === "number" ? this.#requests.get(id) : undefined;
    if (waiting === undefined || typeof id !== "number") return;
    this.#requests.delete(id);
    if (typeof error !== "object" || error === null) return waiting.resolve(result);
    const code: unknown = Reflect.get(error, "code");
    const text: unknown = Reflect.get(error, "message");
    waiting.reject(
      new CodexError(
        typeof code === "number" ? code : 0,
        typeof text === "string" ? text : "codex refused a request",
        Reflect.get(error, "data"),
      ),
    );
  }

  #takeBack(params: unknown): void {
    const id: unknown =
      typeof params === "object" && params !== null ? Reflect.get(params, "requestId") : null;
    this.#asked.get(String(id))?.abort();
  }

  async #takeRequest(id: number | string, method: string, params: unknown): Promise<void> {
    const threadId = this.#otherThread(params);
    if (threadId !== null) this.#subThreads.noteTurn(threadId, method, params);
    const controller = new AbortController();
    this.#asked.set(String(id), controller);
    const result = await this.#answer(method, params, controller.signal).catch(() => null);
    this.#asked.delete(String(id));
    if (result === null)
      await this.#send({ id, error: { code: -32_601, message: `Canopy does not know ${method}` } });
    else await this.#send({ id, result });
  }

  async #answer(method: string, params: unknown, signal: AbortSignal): Promise<object | null> {
    if (method === "item/tool/requestUserInput") return this.#askUser(params, signal);
    const request = approvalSchema.safeParse(params).data;
    if (request === undefined) return null;
    if (method === "mcpServer/elicitation/request") return this.#answerServer(request, signal);
    if (!method.endsWith("/requestApproval")) return null;
    const isFile = method === "item/fileChange/requestApproval";
    const title = request.command ?? request.reason ?? "permission";
    const kind = isFile ? ("edit" as const) : ("execute" as const);
    const subAgent = this.#subAgent(params);
    const tool = { toolCallId: request.itemId ?? method, title, kind, subAgent };
    const isAllowed = await this.#permit(tool, signal);
    // More rights for the whole turn are never given; a single command can ask again.
    if (method === "item/permissions/requestApproval") return { permissions: {}, scope: "turn" };
    return { decision: isAllowed ? "accept" : signal.aborted ? "cancel" : "decline" };
  }

  /** A tool server asks for leave to run a tool, or asks the person something. */
  async #answerServer(request: CodexApproval, signal: AbortSignal): Promise<object> {
    if (request._meta?.codex_approval_kind === undefined) return this.#elicit(request, signal);
    const title = `${request.serverName ?? "server"}: ${request._meta.tool_name ?? "tool"}`;
    const toolCallId = request.itemId ?? this.#mapper.openServerCall ?? title;
    const subAgent = this.#subAgent(request);
    const isAllowed = await this.#permit({ toolCallId, title, subAgent }, signal);
    return { action: isAllowed ? "accept" : "decline", content: null, _meta: null };
  }

  async #permit(
    tool: {
      readonly toolCallId: string;
      readonly title: string;
      readonly kind?: "edit" | "execute";
      readonly subAgent: SubAgent | undefined;
    },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { toolCallId, title, kind, subAgent } = tool;
    const patch = kind === "edit" ? { kind } : { title, ...(kind === undefined ? {} : { kind }) };
    const request = { toolCallId, patch, options: PLAIN_OPTIONS, subAgent };
    return (await this.#parts.permissions.ask(request, signal)) === "allow";
  }

  async #elicit(request: CodexApproval, signal: AbortSignal): Promise<object> {
    const { message: text = "", requestedSchema: schema } = request;
    const asked = { text, schema, subAgent: this.#subAgent(request) };
    const answer = await this.#parts.permissions.askQuestion(asked, signal);
    return { action: answer === null ? "decline" : "accept", content: answer, _meta: null };
  }

  async #askUser(params: unknown, signal: AbortSignal): Promise<object> {
    const questions = userInputSchema.safeParse(params).data?.questions ?? [];
    const text = questions.map((question) => question.question).join("\n");
    const answer = await this.#parts.permissions.askQuestion(
      { text, subAgent: this.#subAgent(params) },
      signal,
    );
    const answers: Record<string, { answers: string[] }> = {};
    for (const { id } of questions) {
      const one: unknown = typeof answer === "object" && answer !== null ? Reflect.get(answer, id) : answer;
      answers[id] = {
        answers:
          one === null || one === undefined ? [] : [typeof one === "string" ? one : JSON.stringify(one)],
      };
    }
    return { answers };
  }
}
