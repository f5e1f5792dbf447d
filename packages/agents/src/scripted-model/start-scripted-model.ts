import { Buffer } from "node:buffer";
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { CanopyError } from "@canopy/protocol";
import { ANTHROPIC_API } from "./anthropic-api.ts";
import { CHAT_API } from "./chat-api.ts";
import { createSideAnswer, createStepAnswer } from "./create-answer.ts";
import { GEMINI_API } from "./gemini-api.ts";
import type { Frame, ModelAnswer, ModelApi, ModelRequest } from "./model-api.ts";
import { chooseModelStep } from "./model-script.ts";
import type { ChosenStep, ModelStep } from "./model-script.ts";
import { RESPONSES_API } from "./responses-api.ts";

/** How a request ended: answered whole, left by the client before that, or cut by the script. */
export type RequestEnd = "finished" | "aborted-by-client" | "cut-by-script";

/** One request that the scripted model got. Values of headers that carry keys are left out. */
export interface LoggedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly api: ModelApi["name"] | null;
  /** What was asked; null for requests that ask no model. */
  readonly request: ModelRequest | null;
  /** The place in the script; null for side calls and for prompts without a script. */
  readonly stepIndex: number | null;
  readonly status: number;
  end: RequestEnd | null;
}

/** A scripted model at work on a loopback port. */
export interface ScriptedModel {
  /** `http://127.0.0.1:PORT`, without a path. */
  readonly url: string;
  readonly requests: readonly LoggedRequest[];
  /** Ends every connection. Idempotent. */
  close(): Promise<void>;
}

/** Settings of the scripted model. */
export interface ScriptedModelOptions {
  /** 0, the default, takes any free port. */
  readonly port?: number;
  readonly onRequest?: (request: LoggedRequest) => void;
}

const MAX_BODY_BYTES = 64 * 1024 * 1024;
const SECRET_HEADERS = new Set(["authorization", "x-api-key", "x-goog-api-key", "cookie"]);

function findApi(method: string, path: string): ModelApi | null {
  if (method !== "POST") return null;
  if (path.endsWith("/messages")) return ANTHROPIC_API;
  if (path.endsWith("/chat/completions")) return CHAT_API;
  if (path.endsWith("/responses")) return RESPONSES_API;
  return /:(?:stream)?[gG]enerateContent$/.test(path) ? GEMINI_API : null;
}

async function readBody(incoming: IncomingMessage): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new Error("the request is too large");
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    return null;
  }
}

function publicHeaders(incoming: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (typeof value === "string") headers[name] = SECRET_HEADERS.has(name) ? "(left out)" : value;
  }
  return headers;
}

function sendJson(outgoing: ServerResponse, status: number, value: unknown, headers: object = {}): void {
  outgoing.writeHead(status, { "content-type": "application/json", ...headers });
  outgoing.end(JSON.stringify(value));
}

/** Requests that ask about models rather than ask one. */
function answerOther(outgoing: ServerResponse, method: string, path: string): number {
  if (path.endsWith("/count_tokens") || path.endsWith(":countTokens")) {
    sendJson(outgoing, 200, { input_tokens: 100, totalTokens: 100 });
    return 200;
  }
  if (method === "GET" && path.endsWith("/models")) {
    const model = { id: "scripted-1", object: "model", type: "model", display_name: "Scripted", created: 0 };
    sendJson(outgoing, 200, { object: "list", data: [model], models: [], has_more: false });
    return 200;
  }
  sendJson(outgoing, 404, {
    type: "error",
    error: { type: "not_found_error", message: "no such thing here" },
  });
  return 404;
}

class Responder {
  readonly #failures = new Map<string, number>();
  readonly #ending: AbortSignal;

  constructor(ending: AbortSignal) {
    this.#ending = ending;
  }

  /** The step that is played now: of a failing one its error, so many times, and then what comes after. */
  resolveStep({ step, key }: ChosenStep): ModelStep {
    const { error } = step;
    if (error?.times === undefined) return step;
    const count = this.#failures.get(key) ?? 0;
    this.#failures.set(key, count + 1);
    return count < error.times ? step : (step.after ?? { text: "done" });
  }

  async answer(
    api: ModelApi,
    asked: ModelRequest,
    step: ModelStep | null,
    out: ServerResponse,
  ): Promise<RequestEnd> {
    if (step?.delayMs !== undefined) await this.#pause(step.delayMs);
    if (step?.error !== undefined) return this.#sendError(api, step.error, out);
    const answer = step === null ? createSideAnswer(asked) : createStepAnswer(asked, step);
    if (step?.malformed === true) return this.#sendGarbage(out);
    if (asked.isStreaming) return this.#stream(api, answer, step ?? {}, out);
    if (step?.hang === true) return this.#hang(out);
    if (step?.disconnect === true) return this.#cut(out);
    sendJson(out, 200, api.renderWhole(answer));
    return "finished";
  }

  #sendError(api: ModelApi, error: NonNullable<ModelStep["error"]>, out: ServerResponse): RequestEnd {
    const { status, message, type = null, retryAfter } = error;
    const headers = retryAfter === undefined ? {} : { "retry-after": String(retryAfter) };
    sendJson(out, status, api.renderError({ status, message, type }), headers);
    return "finished";
  }

  async #stream(
    api: ModelApi,
    answer: ModelAnswer,
    step: ModelStep,
    out: ServerResponse,
  ): Promise<RequestEnd> {
    out.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
    const frames = [...api.renderFrames(answer)];
    const lastDelta = frames.findLastIndex((frame) => frame.isDelta);
    const isWhole = step.hang !== true && step.disconnect !== true;
    const sent = isWhole ? frames : frames.slice(0, step.hang === true ? lastDelta + 1 : lastDelta);
    for (const frame of sent) {
      if (out.destroyed) return "aborted-by-client";
      if (frame.isDelta && step.chunkMs !== undefined) await this.#pause(step.chunkMs);
      if (!out.write(encodeFrame(frame)))
        await once(out, "drain", { signal: this.#ending }).catch(() => null);
    }
    if (step.hang === true) return this.#hang(out);
    if (step.disconnect === true) return this.#cut(out);
    out.end();
    return "finished";
  }

  #sendGarbage(out: ServerResponse): RequestEnd {
    out.writeHead(200, { "content-type": "text/event-stream" });
    out.end('data: {"type":"mess\u0000\n\ndata: [1,2\n\n: nothing here\n\n');
    return "finished";
  }

  async #hang(out: ServerResponse): Promise<RequestEnd> {
    if (!out.headersSent) out.flushHeaders();
    if (!out.destroyed) await once(out, "close", { signal: this.#ending }).catch(() => null);
    return "aborted-by-client";
  }

  async #cut(out: ServerResponse): Promise<RequestEnd> {
    // What was written before must have left, or the client sees an empty answer rather than half of one.
    await new Promise<void>((resolve) => out.write(": cut\n\n", () => resolve()));
    out.destroy();
    return "cut-by-script";
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#ending }).catch(() => null);
  }
}

function encodeFrame({ event, data }: Frame): string {
  return `${event === null ? "" : `event: ${event}\n`}data: ${data}\n\n`;
}

/**
 * Starts a model that plays scripts instead of thinking, in the words of four APIs: Anthropic Messages, OpenAI chat
 * completions and Responses, Gemini. The script rides in the prompt (`createModelScript`). No key is checked. Listens on
 * 127.0.0.1 only. Throws `daemon.port-taken`.
 */
export async function startScriptedModel(options: ScriptedModelOptions = {}): Promise<ScriptedModel> {
  const requests: LoggedRequest[] = [];
  const ending = new AbortController();
  const responder = new Responder(ending.signal);
  const handle = async (incoming: IncomingMessage, out: ServerResponse): Promise<void> => {
    const url = new URL(incoming.url ?? "/", "http://127.0.0.1");
    const method = incoming.method ?? "GET";
    const api = findApi(method, url.pathname);
    const body = await readBody(incoming);
    const base = { method, path: url.pathname, headers: publicHeaders(incoming) };
    const note = (entry: LoggedRequest): LoggedRequest => {
      requests.push(entry);
      options.onRequest?.(entry);
      return entry;
    };
    if (api === null) {
      const status = answerOther(out, method, url.pathname);
      note({ ...base, api: null, request: null, stepIndex: null, status, end: "finished" });
      return;
    }
    const request = api.parseRequest(body, url);
    const isAsked = request.tools.length > 0 || incoming.headers["x-scripted-model"] === "play";
    const chosen = isAsked ? chooseModelStep(request.turns) : null;
    const step = chosen === null ? null : responder.resolveStep(chosen);
    const status = step?.error?.status ?? 200;
    const entry = note({
      ...base,
      api: api.name,
      request,
      stepIndex: chosen?.index ?? null,
      status,
      end: null,
    });
    entry.end = await responder.answer(api, request, step, out);
  };
  const server = createServer((incoming, out) => {
    handle(incoming, out).catch(() => out.destroy());
  });
  server.listen(options.port ?? 0, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch (error) {
    throw new CanopyError("daemon.port-taken", `the scripted model cannot listen: ${String(error)}`, {
      cause: error,
    });
  }
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    close: async () => {
      ending.abort();
      server.closeAllConnections();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
}
