import type { ClientFrame, ServerFrame } from "@canopy/protocol";
import { CanopyError, WIRE_VERSION, serverFrameSchema } from "@canopy/protocol";
import { parseJson } from "../http/parse-wire-error.ts";
import type { RoomMessage, RoomSource, SourceRequest } from "./room-source.ts";

/** What is used of a WebSocket; the global one fits. */
export interface WebSocketLike {
  send(text: string): void;
  close(): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: "open" | "close" | "error", listener: () => void): void;
}

/** Opens a WebSocket; the global `WebSocket` fits. */
export type WebSocketPort = new (url: string) => WebSocketLike;

/** Messages that have come, and a promise for more. */
class Mailbox {
  #frames: unknown[] = [];
  #isOver = false;
  #wake: () => void = () => {};

  push(data: unknown): void {
    this.#frames.push(data);
    this.#wake();
  }

  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  /** Everything that has come since; null when no more will come. */
  async take(): Promise<readonly unknown[] | null> {
    while (this.#frames.length === 0 && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const frames = this.#frames;
    this.#frames = [];
    return frames.length === 0 ? null : frames;
  }
}

function parseFrame(data: unknown): ServerFrame {
  const parsed = serverFrameSchema.safeParse(typeof data === "string" ? parseJson(data) : undefined);
  if (parsed.success) return parsed.data;
  throw new CanopyError("internal", "the daemon sent a frame of an unknown shape");
}

/** The message that a frame brings for a room, or null when it brings none. Throws what an error frame says. */
function readFrame(frame: ServerFrame, room: string): RoomMessage | null {
  if (frame.type === "hello") {
    if (frame.wireVersion === WIRE_VERSION) return null;
    throw new CanopyError(
      "request.invalid",
      `the daemon speaks version ${frame.wireVersion} of the wire, this program ${WIRE_VERSION}`,
      {
        hint: "restart the daemon with: canopy down, canopy up",
      },
    );
  }
  if (frame.type === "error") {
    const { code, message, hint, data } = frame.error;
    throw new CanopyError(code, message, {
      ...(hint === undefined ? {} : { hint }),
      ...(data === undefined ? {} : { data }),
    });
  }
  return frame.room === room ? frame : null;
}

/** Connects to rooms over a WebSocket, one connection each. `url` is the whole address, token included. */
export function createSocketSource(url: string, webSocket: WebSocketPort): RoomSource {
  return (request) => readSocket(new webSocket(url), request);
}

async function* readSocket(socket: WebSocketLike, request: SourceRequest): AsyncGenerator<RoomMessage> {
  const mailbox = new Mailbox();
  const subscribe: ClientFrame = {
    type: "subscribe",
    room: request.room,
    live: request.live,
    ...(request.afterSeq === undefined ? {} : { afterSeq: request.afterSeq }),
  };
  const end = (): void => mailbox.end();
  socket.addEventListener("open", () => socket.send(JSON.stringify(subscribe)));
  socket.addEventListener("message", ({ data }) => mailbox.push(data));
  socket.addEventListener("close", end);
  socket.addEventListener("error", end);
  request.signal.addEventListener("abort", end, { once: true });
  if (request.signal.aborted) end();
  try {
    for (let frames = await mailbox.take(); frames !== null; frames = await mailbox.take()) {
      for (const data of frames) {
        const message = readFrame(parseFrame(data), request.room);
        if (message !== null) yield message;
      }
    }
  } finally {
    request.signal.removeEventListener("abort", end);
    socket.close();
  }
}
