import { createInterface } from "node:readline";
import type { AgentEvent, LiveDelta, Session, TranscriptEntry } from "@canopy/protocol";
import type { ProjectApi } from "../connection/project-api.ts";
import { openProjectApi, readField } from "../connection/project-api.ts";
import { streamEvents } from "../connection/stream-events.ts";
import type { StreamMessage } from "../connection/stream-events.ts";
import { describeEvent, findSession } from "../commands/session.ts";

const HISTORY = 5000;

/** Writes a session down as it happens: text as it comes, everything else in a line when it is done. */
export class SessionPrinter {
  readonly #sessionId: string;
  readonly #write: (text: string) => void;
  /** Text of the message that is being written. */
  #open = "";
  #lastIndex = 0;
  #isOver = false;

  constructor(sessionId: string, write: (text: string) => void) {
    this.#sessionId = sessionId;
    this.#write = write;
  }

  /** True when the session has ended. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** A line of the transcript; one that was shown already is passed over. */
  entry({ index, event }: Pick<TranscriptEntry, "index" | "event">): void {
    if (index <= this.#lastIndex) return;
    this.#lastIndex = index;
    if (event.type === "message.done") this.#endMessage(event.text);
    else this.#line(event);
  }

  /** A message of the room's stream. */
  take({ type, data }: StreamMessage): void {
    if (type === "live") this.#delta(readField<LiveDelta>(data, "delta"));
    if (type !== "event") return;
    const event = readField<string>(data, "type");
    const payload = readField<Record<string, unknown>>(data, "payload");
    if (event === "turn.appended") {
      const entry = readField<TranscriptEntry>(payload, "entry");
      if (entry.sessionId === this.#sessionId) this.entry(entry);
    }
    if (event === "prompt.queued") {
      const prompt = readField<{ sessionId: string; author: string; text: string }>(payload, "prompt");
      if (prompt.sessionId === this.#sessionId) this.#write(`> ${prompt.author}: ${prompt.text}\n`);
    }
    if (event === "session.ended") {
      const session = readField<Session>(payload, "session");
      if (session.sessionId === this.#sessionId) this.end(session.endReason ?? session.state);
    }
  }

  /** Says that the session is over. */
  end(reason: string): void {
    this.#isOver = true;
    this.#write(`-- ended: ${reason}\n`);
  }

  #delta(delta: LiveDelta): void {
    if (delta.sessionId !== this.#sessionId || delta.kind !== "message") return;
    this.#open += delta.text;
    this.#write(delta.text);
  }

  #endMessage(text: string): void {
    // What was live is shown already, as far as it came through.
    const rest = text.startsWith(this.#open) ? text.slice(this.#open.length) : `\n${text}`;
    this.#open = "";
    this.#write(`${rest}\n`);
  }

  #line(event: AgentEvent): void {
    const text = describeEvent(event);
    if (text !== null) this.#write(`${text}\n`);
  }
}

function readLines(api: ProjectApi, sessionId: string): () => void {
  if (!process.stdin.isTTY) return () => undefined;
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    if (line.trim() === "") return;
    api.ask("POST", `/sessions/${sessionId}/prompts`, { text: line }).catch((error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    });
  });
  return () => lines.close();
}

/** Prints what a session did so far and follows it to its end. */
export async function attachSession(reference: string): Promise<void> {
  const api = await openProjectApi();
  const { sessionId } = await findSession(api, reference);
  const printer = new SessionPrinter(sessionId, (text) => void process.stdout.write(text));
  const controller = new AbortController();
  const room = readField<string>(await api.ask("GET", `/sessions/${sessionId}`), "room");
  const path = `/events/stream?room=${encodeURIComponent(room)}&live=true`;
  const stream = streamEvents({ socketPath: api.paths.socketPath, path, signal: controller.signal });
  const endInput = readLines(api, sessionId);
  try {
    for await (const message of stream) {
      // The stream is open: whatever comes from here on is not missed, and what was before is read.
      if (message.type === "snapshot") await printPast(api, sessionId, printer);
      else printer.take(message);
      if (printer.isOver) break;
    }
  } finally {
    endInput();
    controller.abort();
  }
}

async function printPast(api: ProjectApi, sessionId: string, printer: SessionPrinter): Promise<void> {
  const past = await api.ask("GET", `/sessions/${sessionId}/transcript?limit=${HISTORY}`);
  for (const entry of readField<TranscriptEntry[]>(past, "entries")) printer.entry(entry);
  const session = readField<Session>(await api.ask("GET", `/sessions/${sessionId}`), "session");
  if (session.state === "ended" || session.state === "lost") printer.end(session.endReason ?? session.state);
}
