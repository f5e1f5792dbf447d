import type { Answer, AnswerName, Json } from "@canopy/protocol";
import { CanopyError, answerSchemas, isCanopyError } from "@canopy/protocol";
import type { FetchPort, FetchedResponse } from "./fetch-port.ts";
import { parseJson, parseWireError } from "./parse-wire-error.ts";

/** Where the daemon is, and how it is asked. */
export interface RequesterOptions {
  /** Such as `http://127.0.0.1:7770`, without a slash at the end. */
  readonly baseUrl: string;
  /** The daemon's token; not needed over its unix socket. */
  readonly token?: string;
  /** Who asks; the daemon's own user when left out. */
  readonly actor?: string;
  readonly fetch: FetchPort;
  /** Makes idempotency keys. */
  readonly newKey: () => string;
}

interface Parser<T> {
  safeParse(value: unknown): { readonly success: true; readonly data: T } | { readonly success: false };
}

/** One request to the API. */
export interface ApiRequest {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /** Below `/api/v1`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: Json;
  readonly signal?: AbortSignal;
}

/** Asks the daemon. Throws its error, or `daemon.unavailable` when it cannot be reached. */
export interface Requester {
  ask<N extends AnswerName>(name: N, request: ApiRequest): Promise<Answer<N>>;
  /** Opens a stream of server-sent events. */
  stream(
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>>;
}

function encodeQuery(query: ApiRequest["query"]): string {
  const entries = Object.entries(query ?? {}).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, String(value)]],
  );
  return entries.length === 0 ? "" : `?${new URLSearchParams(entries).toString()}`;
}

function parseAnswer<T>(parser: Parser<T>, text: string, path: string): T {
  const parsed = parser.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new CanopyError("internal", `the daemon's answer to ${path} has an unknown shape`, {
    hint: "the daemon and this program may be of different versions; restart it with: canopy down, canopy up",
  });
}

function parserOf<N extends AnswerName>(name: N): Parser<Answer<N>> {
  return parseParser(answerSchemas[name]);
}

/** A schema picked by a generic name loses its own type; the name is what ties them together. */
function parseParser<T>(schema: unknown): Parser<T> {
  return schema as Parser<T>;
}

/** Makes a requester. */
export function createRequester(options: RequesterOptions): Requester {
  const { baseUrl, token, actor } = options;
  const common: Record<string, string> = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(actor === undefined ? {} : { "x-canopy-actor": actor }),
  };
  const fetchOrFail = async (url: string, init: Parameters<FetchPort>[1]): Promise<FetchedResponse> => {
    try {
      return await options.fetch(url, init);
    } catch (error) {
      if (isCanopyError(error) || init.signal?.aborted === true) throw error;
      throw new CanopyError("daemon.unavailable", `the canopy daemon at ${baseUrl} does not answer`, {
        hint: "start it with: canopy up",
        retry: true,
        cause: error,
      });
    }
  };
  const ask: Requester["ask"] = async (name, request) => {
    const isChange = request.method !== "GET";
    const response = await fetchOrFail(`${baseUrl}/api/v1${request.path}${encodeQuery(request.query)}`, {
      method: request.method,
      headers: {
        ...common,
        ...(isChange ? { "idempotency-key": options.newKey() } : {}),
        ...(request.body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    });
    const text = await response.text();
    if (response.status >= 400) throw parseWireError(response.status, text);
    return parseAnswer(parserOf(name), text, request.path);
  };
  return {
    ask,
    stream: async (path, headers, signal) => {
      const accept = { accept: "text/event-stream", ...common, ...headers };
      const response = await fetchOrFail(`${baseUrl}/api/v1${path}`, {
        method: "GET",
        headers: accept,
        signal,
      });
      if (response.status >= 400) throw parseWireError(response.status, await response.text());
      if (response.body === null)
        throw new CanopyError("internal", `the daemon's answer to ${path} is empty`);
      return response.body;
    },
  };
}
