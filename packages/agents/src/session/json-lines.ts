import { TextDecoder } from "node:util";
import type { ChildProcessHandle } from "@canopy/protocol";
import { ByteLines } from "../byte-lines.ts";

const MAX_LINE_BYTES = 64 * 1024 * 1024;
const MAX_SHOWN_CHARS = 200;
/** Deeper values would overflow the stack of whoever walks them later. */
const MAX_DEPTH = 200;

/** A JSON object from an agent, not looked into yet. */
export type JsonMessage = Readonly<Record<string, unknown>>;

/** Who hears what an agent prints. */
export interface JsonLinesListener {
  readonly onMessage: (message: JsonMessage) => void;
  /** Lines that are no JSON object, told once a chunk. */
  readonly onNotice: (text: string) => void;
  /** Resolves when more can be taken in; the agent is held back until then. Null when there is room. */
  readonly room: () => Promise<void> | null;
}

function isDeeperThan(value: unknown, limit: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (limit === 0) return true;
  return Object.values(value).some((item) => isDeeperThan(item, limit - 1));
}

/** The JSON object in a line, null for anything else. */
export function parseJsonLine(text: string): JsonMessage | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
    return isDeeperThan(value, MAX_DEPTH) ? null : { ...value };
  } catch {
    return null;
  }
}

/**
 * Reads an agent's output as one JSON object a line until it ends. Survives anything that is printed: what is no JSON
 * object becomes a notice, a line of more than 64 MB is left out. Rejects only when the pipe breaks.
 */
export async function readJsonLines(
  stdout: ChildProcessHandle["stdout"],
  listener: JsonLinesListener,
): Promise<void> {
  const lines = new ByteLines(MAX_LINE_BYTES, "drop");
  const decoder = new TextDecoder();
  let droppedCount = 0;
  const take = (line: Uint8Array): void => {
    const text = decoder.decode(line).trim();
    if (text === "") return;
    const message = parseJsonLine(text);
    if (message === null) listener.onNotice(`not a protocol message: ${text.slice(0, MAX_SHOWN_CHARS)}`);
    else listener.onMessage(message);
  };
  for await (const chunk of stdout) {
    for (const line of lines.push(chunk)) {
      take(line);
      const room = listener.room();
      if (room !== null) await room;
    }
    if (lines.droppedCount === droppedCount) continue;
    droppedCount = lines.droppedCount;
    listener.onNotice(`left out a message of more than ${MAX_LINE_BYTES / 1024 / 1024} MB`);
  }
  const rest = lines.flush();
  if (rest !== null) take(rest);
}
