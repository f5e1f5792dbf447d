import {
  CanopyError,
  activitySchema,
  answerSchemas,
  eventEnvelopeSchema,
  liveDeltaSchema,
} from "@canopy/protocol";
import type { EventSourceMessage } from "eventsource-parser";
import { createParser } from "eventsource-parser";
import type { Requester } from "../http/create-requester.ts";
import { parseJson } from "../http/parse-wire-error.ts";
import type { RoomMessage, RoomSource, SourceRequest } from "./room-source.ts";

/** The server says something at least every 15 s; a connection that is silent for this long is dead, in ms. */
const MAX_SILENCE_MS = 45_000;

interface Schema<T> {
  safeParse(value: unknown): { readonly success: true; readonly data: T } | { readonly success: false };
}

function parseData<T>(schema: Schema<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new CanopyError("internal", "the daemon sent an event of an unknown shape");
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

/** The message that a server-sent event brings, or null for one of a kind that this version does not know. */
function readMessage(message: EventSourceMessage): RoomMessage | null {
  const data = parseJson(message.data);
  if (message.event === "snapshot") return { type: "snapshot", ...parseData(answerSchemas.snapshot, data) };
  if (message.event === "event") return { type: "event", event: parseData(eventEnvelopeSchema, data) };
  if (message.event === "live")
    return { type: "live", delta: parseData(liveDeltaSchema, field(data, "delta")) };
  if (message.event !== "activity") return null;
  return { type: "activity", activity: parseData(activitySchema, field(data, "activity")) };
}

/** Connects to rooms by server-sent events: for unix sockets, and wherever there is no WebSocket. */
export function createStreamSource(requester: Requester): RoomSource {
  return (request) => readStream(requester, request);
}

async function* readStream(requester: Requester, request: SourceRequest): AsyncGenerator<RoomMessage> {
  const dead = new AbortController();
  const signal = AbortSignal.any([request.signal, dead.signal]);
  const query = new URLSearchParams({ room: request.room, live: String(request.live) });
  const headers: Record<string, string> =
    request.afterSeq === undefined ? {} : { "last-event-id": String(request.afterSeq) };
  const body = await requester.stream(`/events/stream?${query.toString()}`, headers, signal);
  const waiting: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (event) => waiting.push(event) });
  const decoder = new TextDecoder();
  let watchdog = setTimeout(() => dead.abort(), MAX_SILENCE_MS);
  try {
    for await (const chunk of body) {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => dead.abort(), MAX_SILENCE_MS);
      parser.feed(decoder.decode(chunk, { stream: true }));
      for (const event of waiting.splice(0)) {
        const message = readMessage(event);
        if (message !== null) yield message;
      }
    }
  } finally {
    clearTimeout(watchdog);
    dead.abort();
  }
}
