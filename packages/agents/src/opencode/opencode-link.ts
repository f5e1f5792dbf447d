import type { Json, SubAgent } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol";
import { z } from "zod";
import type { AgentCapabilities, AgentModels, AgentStartSpec } from "../agent-driver.ts";
import type { PromptInput } from "../prompt-queue.ts";
import { classifyFailure } from "../classify-error.ts";
import { readJsonLines } from "../session/json-lines.ts";
import type { JsonMessage } from "../session/json-lines.ts";
import type { AgentLink, ProcessParts, TurnOutcome } from "../session/process-session.ts";
import { createTurnError } from "../turn-error.ts";
import { withinMs } from "../within-ms.ts";
import { OpenCodeMapper } from "./map-opencode-event.ts";
import { listOpenCodeModels, takesImages } from "./opencode-models.ts";
import {
  bridgeMessageSchema,
  openCodeMessageSchema,
  openCodePermissionSchema,
  openCodeQuestionSchema,
} from "./opencode-schema.ts";
import type { OpenCodeError, OpenCodeEvent } from "./opencode-schema.ts";

/** What OpenCode's server can do, measured with 1.18.33. */
export const OPENCODE_CAPABILITIES: AgentCapabilities = {
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

const OPTIONS = [
  { optionId: "once", name: "Allow", kind: "allow_once" as const },
  { optionId: "always", name: "Always allow", kind: "allow_always" as const },
  { optionId: "reject", name: "Reject", kind: "reject_once" as const },
];
/** How long the last events of a turn may come after its answer. */
const LAST_EVENTS_MS = 1_000;

const sessionSchema = z.looseObject({
  id: z.string(),
  parentID: z.string().optional(),
  title: z.string().optional(),
  directory: z.string().optional(),
});
const retrySchema = z.looseObject({
  status: z.looseObject({
    type: z.literal("retry"),
    message: z.string().catch(""),
    next: z.number().optional(),
  }),
});

interface Answer {
  readonly status: number;
  readonly value: unknown;
}

function toFilePart({ name, mediaType, base64 }: PromptInput["images"][number]): Record<string, Json> {
  return { type: "file", mime: mediaType, filename: name, url: `data:${mediaType};base64,${base64}` };
}

function parseText(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    return text;
  }
}

function judgeError(error: OpenCodeError, isCancelled: boolean): TurnOutcome {
  const { name, data } = error;
  const message = data.message ?? name;
  if (isCancelled || name === "MessageAbortedError") return { reason: "cancelled", error: null };
  if (name === "MessageOutputLengthError") return { reason: "max_tokens", error: null };
  if (name === "ContentFilterError") return { reason: "refusal", error: createTurnError("refusal", message) };
  if (name === "ContextOverflowError")
    return { reason: "failed", error: createTurnError("context-full", message) };
  if (name === "ProviderAuthError")
    return { reason: "failed", error: createTurnError("authentication", message) };
  const { statusCode, responseHeaders } = data;
  const { kind, retryAfterMs } = classifyFailure({
    code: null,
    message,
    data: { status: statusCode, retryAfter: responseHeaders?.["retry-after"] },
  });
  return { reason: "failed", error: createTurnError(kind, message, { retryAfterMs }) };
}

/** How a session speaks with OpenCode's server, through the bridge that runs beside it. */
export class OpenCodeLink implements AgentLink {
  capabilities = OPENCODE_CAPABILITIES;
  readonly #parts: Omit<ProcessParts, "disconnect">;
  readonly #mapper: OpenCodeMapper;
  #spec: AgentStartSpec;
  readonly #waiting = new Map<
    number,
    { resolve: (answer: Answer) => void; reject: (error: Error) => void }
  >();
  readonly #asked = new Map<string, AbortController>();
  /** This session and those that it started, with their titles. */
  readonly #family = new Map<string, string>();
  readonly #ready = Promise.withResolvers<void>();
  #sessionId = "";
  #count = 0;
  #completed = new Set<string>();
  #onCompleted: (() => void) | null = null;
  #gaveUp: TurnOutcome | null = null;
  #broken: Error | null = null;

  constructor(parts: Omit<ProcessParts, "disconnect">, spec: AgentStartSpec) {
    this.#parts = parts;
    this.#spec = spec;
    this.#mapper = new OpenCodeMapper(parts.writer);
    this.#ready.promise.catch(() => undefined);
    const { queue, writer, child } = parts;
    const reading = readJsonLines(child.stdout, {
      onMessage: (message) => this.#take(message),
      onNotice: (text) => writer.emit({ type: "notice", level: "warn", text }),
      room: () => (queue.hasRoom() ? null : queue.room()),
    });
    void reading.catch(() => undefined).then(() => this.disconnect());
  }

  get nativeSessionId(): string {
    return this.#sessionId;
  }

  /** Fails whatever waits for the agent. Idempotent. */
  disconnect(): void {
    this.#broken ??= new Error("the connection to the agent is closed");
    this.#ready.reject(this.#broken);
    for (const waiting of this.#waiting.values()) waiting.reject(this.#broken);
    this.#waiting.clear();
  }

  /** Resolves when the server answers for this place: the first request to it is the one that takes time. */
  async warmUp(): Promise<void> {
    await this.#ready.promise;
    for (const path of ["/config", "/agent", "/command"]) await this.#ask("GET", path);
  }

  /** Makes a server known that was not when OpenCode was started. Throws `agent.failed` when it is not taken. */
  async addTools(name: string, config: Json): Promise<void> {
    const { status } = await this.#ask("POST", "/mcp", { name, config });
    if (status !== 200)
      throw new CanopyError("agent.failed", `${this.#parts.label} took no tools (HTTP ${status})`);
  }

  /** Opens a session, a new one or one that is there. Throws `agent.failed` when it cannot be had. */
  async open(spec: AgentStartSpec): Promise<void> {
    this.#spec = spec;
    await this.#ready.promise;
    const { resume } = spec;
    const answer = await this.#openConversation(resume);
    const parsed = sessionSchema.safeParse(answer.value);
    const refuse = (why: string): CanopyError =>
      new CanopyError("agent.failed", `${this.#parts.label} opened no session (${why})`, {
        data: { kind: resume === null ? "no-session" : "resume-refused" },
      });
    if (!parsed.success || answer.status !== 200) throw refuse(`HTTP ${answer.status}`);
    // It would go on in the files of the place where the conversation began.
    const { directory = spec.cwd } = parsed.data;
    if (resume !== null && directory !== spec.cwd) throw refuse(`it belongs to ${directory}`);
    this.#sessionId = parsed.data.id;
    this.#family.set(parsed.data.id, parsed.data.title ?? "");
    // Other models are told of an image only that they cannot see it.
    const { value } = await this.#ask("GET", "/config/providers");
    if (!takesImages(value, spec.model)) this.capabilities = { ...OPENCODE_CAPABILITIES, images: "emulated" };
  }

  async #openConversation(resume: AgentStartSpec["resume"]): Promise<Answer> {
    if (resume === null) return this.#ask("POST", "/session", { title: this.#spec.task?.title ?? "Canopy" });
    const path = `/session/${encodeURIComponent(resume.nativeSessionId)}`;
    return resume.asFork === true ? this.#ask("POST", `${path}/fork`, {}) : this.#ask("GET", path);
  }

  /** What the server offers, with the models of all providers that are set up. */
  async listModels(): Promise<AgentModels | null> {
    await this.#ready.promise;
    const { status, value } = await this.#ask("GET", "/config/providers");
    const config = await this.#ask("GET", "/config");
    return status === 200 ? listOpenCodeModels(value, config.value) : null;
  }

  /** See AgentLink. */
  async converse(
    { text, images }: PromptInput,
    turn: { readonly isCancelled: boolean },
  ): Promise<TurnOutcome> {
    const { systemAppend, model } = this.#spec;
    const [providerID = "", ...rest] = (model ?? "").split("/");
    this.#gaveUp = null;
    const { status, value } = await this.#ask("POST", `/session/${this.#sessionId}/message`, {
      parts: [...images.map(toFilePart), { type: "text", text }],
      ...(systemAppend === null ? {} : { system: systemAppend }),
      ...(rest.length === 0 ? {} : { model: { providerID, modelID: rest.join("/") } }),
    });
    const info: unknown = typeof value === "object" && value !== null ? Reflect.get(value, "info") : null;
    const parsed = openCodeMessageSchema.safeParse(info);
    if (this.#gaveUp !== null && !turn.isCancelled) return this.#gaveUp;
    if (turn.isCancelled) return { reason: "cancelled", error: null };
    if (!parsed.success) {
      const message = `${this.#parts.label} answered ${status}: ${JSON.stringify(value).slice(0, 300)}`;
      const { kind } = classifyFailure({ code: null, message, data: { status } });
      return { reason: "failed", error: createTurnError(kind, message) };
    }
    await this.#awaitCompleted(parsed.data.id);
    if (parsed.data.error !== undefined) return judgeError(parsed.data.error, turn.isCancelled);
    return { reason: parsed.data.finish === "length" ? "max_tokens" : "end_turn", error: null };
  }

  /** See AgentLink. */
  async interrupt(): Promise<void> {
    await this.#ask("POST", `/session/${this.#sessionId}/abort`, {});
  }

  /** The answer may be there before the events that say the same. */
  async #awaitCompleted(messageId: string): Promise<void> {
    if (this.#completed.has(messageId)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onCompleted = resolve;
    await withinMs(promise, LAST_EVENTS_MS);
    this.#onCompleted = null;
  }

  async #ask(method: string, path: string, body?: Json): Promise<Answer> {
    if (this.#broken !== null) throw this.#broken;
    this.#count += 1;
    const id = this.#count;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#waiting.set(id, { resolve, reject });
    const where = `${path}?directory=${encodeURIComponent(this.#spec.cwd)}`;
    const message = { id, method, path: where, ...(body === undefined ? {} : { body }) };
    await this.#parts.child.write(`${JSON.stringify(message)}\n`);
    return promise;
  }

  #take(message: JsonMessage): void {
    const parsed = bridgeMessageSchema.safeParse(message);
    if (!parsed.success) return;
    if (parsed.data.type === "ready") return this.#ready.resolve();
    if (parsed.data.type === "event") return this.#event(parsed.data.event);
    const { id, status, text } = parsed.data;
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (status === 0) waiting?.reject(new Error(text));
    else waiting?.resolve({ status, value: parseText(text) });
  }

  #event(event: OpenCodeEvent): void {
    const { type, properties } = event;
    if (type === "session.created") this.#adopt(properties["info"]);
    const sessionId = this.#sessionOf(event);
    if (sessionId !== null && !this.#family.has(sessionId)) return;
    if (type === "permission.asked") void this.#permit(properties);
    else if (type === "question.asked") void this.#question(properties);
    else if (type === "permission.replied" || type.startsWith("question.re")) this.#settled(properties);
    else if (type === "session.status" && sessionId === this.#sessionId) this.#status(event);
    this.#mapper.take(event, sessionId !== null && sessionId !== this.#sessionId);
    if (type === "message.updated") this.#noteCompleted(properties["info"]);
  }

  #adopt(value: unknown): void {
    const info = sessionSchema.safeParse(value).data;
    if (info?.parentID !== undefined && this.#family.has(info.parentID))
      this.#family.set(info.id, info.title ?? "sub-agent");
  }

  #sessionOf({ properties }: OpenCodeEvent): string | null {
    const own = properties["sessionID"];
    if (typeof own === "string") return own;
    for (const name of ["info", "part"]) {
      const inner: unknown = Reflect.get(Object(properties[name]), "sessionID");
      if (typeof inner === "string") return inner;
    }
    return null;
  }

  #noteCompleted(value: unknown): void {
    const info = openCodeMessageSchema.safeParse(value).data;
    if (info?.time?.completed === undefined) return;
    this.#completed.add(info.id);
    this.#onCompleted?.();
  }

  /** The server would ask again and again by itself; whoever shares the provider's bucket waits better. */
  #status({ properties }: OpenCodeEvent): void {
    const status = retrySchema.safeParse(properties).data?.status;
    if (status === undefined || this.#gaveUp !== null) return;
    const { kind } = classifyFailure({ code: null, message: status.message, data: null });
    const retryAfterMs = status.next === undefined ? null : Math.max(0, Math.round(status.next - Date.now()));
    const error = createTurnError(kind === "unknown" ? "rate-limit" : kind, status.message, { retryAfterMs });
    this.#gaveUp = { reason: "failed", error };
    this.interrupt().catch(() => undefined);
  }

  /** Who asks; undefined for this session's own agent. */
  #subAgent(sessionId: string): SubAgent | undefined {
    if (sessionId === this.#sessionId) return undefined;
    return { subAgentId: sessionId, name: this.#family.get(sessionId) ?? "sub-agent" };
  }

  #settled(properties: OpenCodeEvent["properties"]): void {
    const id = properties["requestID"];
    if (typeof id === "string") this.#asked.get(id)?.abort();
  }

  /** Also for sessions below this one: what they ask is asked here, or they would wait for ever. */
  async #permit(properties: OpenCodeEvent["properties"]): Promise<void> {
    const parsed = openCodePermissionSchema.safeParse(properties);
    if (!parsed.success) return;
    const { id, sessionID, permission, patterns, metadata, tool } = parsed.data;
    const title = metadata.command ?? metadata.filepath ?? patterns[0] ?? permission;
    const command = metadata.command ?? (permission === "bash" ? patterns[0] : undefined);
    // It may ask before it tells what the tool is called with, and rules decide by that.
    const patch = {
      title: `${permission} ${title}`,
      ...(command === undefined ? {} : { input: { command } }),
      ...(metadata.filepath === undefined ? {} : { locations: [{ path: metadata.filepath }] }),
    };
    const controller = new AbortController();
    this.#asked.set(id, controller);
    const request = {
      toolCallId: tool?.callID ?? id,
      patch,
      options: OPTIONS,
      subAgent: this.#subAgent(sessionID),
    };
    const optionId = await this.#parts.permissions.ask(request, controller.signal);
    this.#asked.delete(id);
    if (controller.signal.aborted) return;
    await this.#ask("POST", `/permission/${id}/reply`, { reply: optionId ?? "reject" }).catch(
      () => undefined,
    );
  }

  async #question(properties: OpenCodeEvent["properties"]): Promise<void> {
    const parsed = openCodeQuestionSchema.safeParse(properties);
    if (!parsed.success) return;
    const { id, sessionID, questions } = parsed.data;
    const texts = questions.map((item) => item.question);
    const controller = new AbortController();
    this.#asked.set(id, controller);
    const details = toJson({ questions });
    const asked = { text: texts.join("\n"), schema: details, subAgent: this.#subAgent(sessionID) };
    const answer = await this.#parts.permissions.askQuestion(asked, controller.signal);
    this.#asked.delete(id);
    if (controller.signal.aborted) return;
    const path = `/question/${id}`;
    const sent =
      answer === null
        ? this.#ask("POST", `${path}/reject`, {})
        : this.#ask("POST", `${path}/reply`, { answers: texts.map((text) => [answerTo(answer, text)]) });
    await sent.catch(() => undefined);
  }
}

function answerTo(answer: Json, text: string): string {
  const one: unknown = typeof answer === "object" && answer !== null ? Reflect.get(answer, text) : answer;
  return typeof one === "string" ? one : JSON.stringify(one ?? "");
}

function toJson(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}
