import type { ServerFrame } from "@canopy/protocol";
import { serverFrameSchema } from "@canopy/protocol";
import type { SocketPort } from "../socket/socket-port.ts";

/** A WebSocket in memory: what was sent, and a client that reads only when told to. */
export interface FakeSocket extends SocketPort {
  readonly frames: ServerFrame[];
  readonly closes: (readonly [number, string])[];
  pingCount: number;
  /** While false, what is sent stays buffered. */
  isReading: boolean;
  /** Reads everything that is buffered. */
  drain(): void;
}

/** Makes a socket whose other side reads at once. */
export function createFakeSocket(): FakeSocket {
  const decoder = new TextDecoder();
  let buffered = 0;
  let waiting: (() => void)[] = [];
  const socket: FakeSocket = {
    frames: [],
    closes: [],
    pingCount: 0,
    isReading: true,
    send: (text, onSent) => {
      socket.frames.push(serverFrameSchema.parse(JSON.parse(decoder.decode(text))));
      buffered += text.length;
      if (onSent !== undefined) waiting.push(onSent);
      if (socket.isReading) socket.drain();
    },
    bufferedBytes: () => buffered,
    ping: () => {
      socket.pingCount += 1;
    },
    close: (code, reason) => void socket.closes.push([code, reason]),
    drain: () => {
      buffered = 0;
      const told = waiting;
      waiting = [];
      for (const tell of told) tell();
    },
  };
  return socket;
}

/** A frame in short, for comparing whole conversations. */
export function describeFrame(frame: ServerFrame): string {
  if (frame.type === "snapshot") return `snapshot ${frame.seq}`;
  if (frame.type === "event") return `event ${frame.event.seq}`;
  if (frame.type === "live") return `live ${frame.delta.kind} ${frame.delta.text}`;
  if (frame.type === "activity") return `activity ${frame.activity.text}`;
  return frame.type === "error" ? `error ${frame.error.code}` : frame.type;
}
