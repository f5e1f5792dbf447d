import type { EventEnvelope, Json, ServerFrame } from "@canopy/protocol";
import type { LiveMessage } from "@canopy/core";

/** How frames are written: as WebSocket messages, or as server-sent events. */
export type FrameFormat = "socket" | "stream";

/** Something to send, in both formats; each is made when first asked for and then shared by all subscribers. */
export interface EncodedFrame {
  readonly bytes: (format: FrameFormat) => Uint8Array;
}

/** An event, ready to be sent. */
export interface EncodedEvent extends EncodedFrame {
  readonly seq: number;
  /** About how much memory it holds, in bytes. */
  readonly sizeBytes: number;
}

const encoder = new TextEncoder();

function lazyFrame(socketText: () => string, streamText: () => string): EncodedFrame {
  let socketBytes: Uint8Array | undefined;
  let streamBytes: Uint8Array | undefined;
  return {
    bytes: (format) =>
      format === "socket"
        ? (socketBytes ??= encoder.encode(socketText()))
        : (streamBytes ??= encoder.encode(streamText())),
  };
}

/** Encodes an event of a room; its JSON is written once, whoever reads it. */
export function encodeEvent(room: string, event: EventEnvelope): EncodedEvent {
  const json = JSON.stringify(event);
  const frame = lazyFrame(
    () => `{"type":"event","room":"${room}","event":${json}}`,
    () => `id: ${event.seq}\nevent: event\ndata: ${json}\n\n`,
  );
  return { seq: event.seq, sizeBytes: json.length * 3, bytes: frame.bytes };
}

/** Encodes a room's snapshot. */
export function encodeSnapshot(room: string, seq: number, state: Json): EncodedFrame {
  const json = `{"type":"snapshot","room":"${room}","seq":${seq},"state":${JSON.stringify(state)}}`;
  return lazyFrame(
    () => json,
    () => `id: ${seq}\nevent: snapshot\ndata: ${json}\n\n`,
  );
}

/** Encodes something live-only. It has no `id`, so it never moves a cursor. */
export function encodeLive(room: string, message: LiveMessage): EncodedFrame {
  const json = JSON.stringify({ room, ...message });
  return lazyFrame(
    () => json,
    () => `event: ${message.type}\ndata: ${json}\n\n`,
  );
}

/** Encodes a frame for one WebSocket only. */
export function encodeServerFrame(frame: ServerFrame): Uint8Array {
  return encoder.encode(JSON.stringify(frame));
}

/** A comment that keeps a stream of server-sent events alive. */
export const STREAM_KEEP_ALIVE: Uint8Array = encoder.encode(": alive\n\n");
