import { TextDecoder } from "node:util";
import type { ChildProcessHandle } from "@canopy/protocol";
import type { AnyMessage, Stream } from "@agentclientprotocol/sdk";
import { ByteLines } from "../byte-lines.ts";

/** Agents send whole files in one line. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;
const MAX_SHOWN_CHARS = 200;
/** Deeper values would overflow the stack of whoever walks them later. */
const MAX_DEPTH = 200;

/** Who hears what does not belong to a request: notifications in the order of arrival, and oddities in words. */
export interface AcpWireListener {
  readonly onNotification: (method: string, params: unknown) => void;
  readonly onNotice: (text: string) => void;
  /** Resolves when more can be taken in; the agent is held back until then. Null when there is room. */
  readonly room: () => Promise<void> | null;
}

interface WireState {
  readonly child: ChildProcessHandle;
  readonly listener: AcpWireListener;
  /** Requests of ours that have no answer yet. */
  readonly open: Set<string | number>;
  garbageCount: number;
  garbageSample: string;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isId(value: unknown): value is string | number {
  return typeof value === "string" || (typeof value === "number" && Number.isFinite(value));
}

function isAnswer(message: Record<string, unknown>): boolean {
  if (Object.hasOwn(message, "result") === Object.hasOwn(message, "error")) return false;
  if (!Object.hasOwn(message, "error")) return true;
  const { error } = message;
  return isRecord(error) && Number.isInteger(error["code"]) && typeof error["message"] === "string";
}

function noteGarbage(state: WireState, text: string): void {
  state.garbageCount += 1;
  if (state.garbageCount === 1) state.garbageSample = text.slice(0, MAX_SHOWN_CHARS);
}

function tellGarbage(state: WireState): void {
  if (state.garbageCount === 0) return;
  const more = state.garbageCount === 1 ? "" : ` (and ${state.garbageCount - 1} more lines)`;
  state.listener.onNotice(`not a protocol message: ${state.garbageSample}${more}`);
  state.garbageCount = 0;
}

function isDeeperThan(value: unknown, limit: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (limit === 0) return true;
  return Object.values(value).some((item) => isDeeperThan(item, limit - 1));
}

function parseLine(
  line: Uint8Array,
  decoder: TextDecoder,
): { text: string; message: Record<string, unknown> | null } {
  const text = decoder.decode(line).trim();
  try {
    const value: unknown = JSON.parse(text);
    // A level takes at least two characters, so short lines need no look.
    const isTooDeep = text.length > MAX_DEPTH * 2 && isDeeperThan(value, MAX_DEPTH);
    return { text, message: isRecord(value) && !isTooDeep ? value : null };
  } catch {
    return { text, message: null };
  }
}

/** A request or an answer for the connection; null for what was dealt with here. */
function routeMessage(state: WireState, text: string, message: Record<string, unknown>): AnyMessage | null {
  const { id, method, params } = message;
  if (typeof method === "string" && !Object.hasOwn(message, "id")) {
    if (method === "$/cancel_request") return { jsonrpc: "2.0", method, params };
    tellGarbage(state);
    state.listener.onNotification(method, params);
    return null;
  }
  if (typeof method === "string" && isId(id)) return { jsonrpc: "2.0", id, method, params };
  if (isId(id) && isAnswer(message) && state.open.delete(id)) return toAnswer(id, message);
  noteGarbage(state, text);
  return null;
}

function toAnswer(id: string | number, message: Record<string, unknown>): AnyMessage {
  const { error } = message;
  if (!isRecord(error)) return { jsonrpc: "2.0", id, result: message["result"] };
  return {
    jsonrpc: "2.0",
    id,
    error: { code: Number(error["code"]), message: String(error["message"]), data: error["data"] },
  };
}

async function* readMessages(state: WireState): AsyncGenerator<AnyMessage> {
  const lines = new ByteLines(MAX_LINE_BYTES, "drop");
  const decoder = new TextDecoder();
  let droppedCount = 0;
  for await (const chunk of state.child.stdout) {
    for (const line of lines.push(chunk)) {
      const { text, message } = parseLine(line, decoder);
      if (text === "") continue;
      if (message === null) noteGarbage(state, text);
      const routed = message === null ? null : routeMessage(state, text, message);
      if (routed !== null) yield routed;
      const room = state.listener.room();
      if (room !== null) await room;
    }
    tellGarbage(state);
    if (lines.droppedCount === droppedCount) continue;
    droppedCount = lines.droppedCount;
    state.listener.onNotice(`left out a message of more than ${MAX_LINE_BYTES / 1024 / 1024} MB`);
  }
  const rest = lines.flush();
  if (rest === null) return;
  const { text, message } = parseLine(rest, decoder);
  const routed = message === null ? null : routeMessage(state, text, message);
  if (routed !== null) yield routed;
  else if (message === null) noteGarbage(state, text);
  tellGarbage(state);
}

/**
 * The transport below an ACP connection: newline JSON over a child's pipes. Unlike the SDK's own it holds the agent back
 * when nobody reads, keeps notifications in order with the answers, and survives anything that an agent prints.
 */
export function openAcpWire(child: ChildProcessHandle, listener: AcpWireListener): Stream {
  const state: WireState = { child, listener, open: new Set(), garbageCount: 0, garbageSample: "" };
  const messages = readMessages(state);
  const readable = new ReadableStream<AnyMessage>(
    {
      async pull(controller) {
        const next = await messages.next();
        if (next.done === true) controller.close();
        else controller.enqueue(next.value);
      },
    },
    { highWaterMark: 0 },
  );
  const writable = new WritableStream<AnyMessage>({
    async write(message) {
      if ("method" in message && "id" in message && message.id !== null) state.open.add(message.id);
      await child.write(`${JSON.stringify(message)}\n`);
    },
  });
  return { readable, writable };
}
