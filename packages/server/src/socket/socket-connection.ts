import type { ClientFrame } from "@canopy/protocol";
import { CANOPY_VERSION, CanopyError, WIRE_VERSION, clientFrameSchema } from "@canopy/protocol";
import { encodeServerFrame } from "../feed/encode-frames.ts";
import type { FeedSink, FeedSubscription } from "../feed/room-feed.ts";
import type { RoomFeeds } from "../feed/room-feeds.ts";
import { toWireError } from "../http/error-response.ts";
import { parseBody } from "../http/parse-body.ts";
import type { SocketHandler, SocketPort } from "./socket-port.ts";

/** How many bytes may wait for a slow client before it is fed page by page from the journal. */
const MAX_WAITING_BYTES = 1_048_576;
const MAX_MESSAGE_CHARS = 65_536;
const MAX_SUBSCRIPTIONS = 200;
/** A client that answers no ping, or takes nothing, for one to two of these is cut, in ms. */
const PING_INTERVAL_MS = 30_000;
const POLICY_VIOLATION = 1008;
const TRY_AGAIN_LATER = 1013;

/**
 * One WebSocket: greets, then serves subscriptions to any number of rooms, each by its own cursor. What the client sends
 * wrong is answered with an error frame; a client that neither reads nor answers is cut, and resumes by its cursor.
 */
export class SocketConnection implements SocketHandler {
  readonly #port: SocketPort;
  readonly #feeds: RoomFeeds;
  readonly #subscriptions = new Map<string, FeedSubscription>();
  readonly #sink: FeedSink;
  readonly #pinging: ReturnType<typeof setInterval>;
  #isBlocked = false;
  #isClosed = false;
  #hasAnswered = true;
  #wasBlocked = false;

  constructor(port: SocketPort, feeds: RoomFeeds) {
    this.#port = port;
    this.#feeds = feeds;
    this.#sink = {
      format: "socket",
      isReady: () => !this.#isBlocked && !this.#isClosed,
      send: (bytes) => this.#send(bytes),
    };
    this.#pinging = setInterval(() => this.#checkLife(), PING_INTERVAL_MS);
    this.#send(encodeServerFrame({ type: "hello", wireVersion: WIRE_VERSION, version: CANOPY_VERSION }));
  }

  message(text: string): void {
    this.#hasAnswered = true;
    try {
      if (text.length > MAX_MESSAGE_CHARS)
        throw new CanopyError("request.too-large", "the frame is too large");
      this.#handle(parseBody(clientFrameSchema, parseJsonText(text), "frame"));
    } catch (error) {
      const { body } = toWireError(error);
      this.#send(encodeServerFrame({ type: "error", error: body.error }));
    }
  }

  pong(): void {
    this.#hasAnswered = true;
  }

  closed(): void {
    this.#isClosed = true;
    clearInterval(this.#pinging);
    for (const subscription of this.#subscriptions.values()) subscription.close();
    this.#subscriptions.clear();
  }

  #handle(frame: ClientFrame): void {
    const known = this.#subscriptions.get(frame.room);
    known?.close();
    this.#subscriptions.delete(frame.room);
    if (frame.type === "unsubscribe") return;
    const feed = this.#feeds.find(frame.room);
    if (feed === undefined) {
      throw new CanopyError("thing.not-found", `no room ${frame.room}`, { data: { room: frame.room } });
    }
    if (this.#subscriptions.size >= MAX_SUBSCRIPTIONS) {
      throw new CanopyError(
        "request.too-large",
        `at most ${MAX_SUBSCRIPTIONS} subscriptions on one connection`,
        {
          data: { room: frame.room },
        },
      );
    }
    const request = { afterSeq: frame.afterSeq, withLive: frame.live, sink: this.#sink };
    this.#subscriptions.set(frame.room, feed.attach(request));
  }

  #send(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    if (this.#port.bufferedBytes() + bytes.length < MAX_WAITING_BYTES) {
      this.#port.send(bytes);
      return;
    }
    this.#isBlocked = true;
    this.#port.send(bytes, () => this.#unblock());
  }

  #unblock(): void {
    this.#isBlocked = false;
    for (const subscription of this.#subscriptions.values()) subscription.pump();
  }

  #checkLife(): void {
    if (!this.#hasAnswered) {
      this.#port.close(POLICY_VIOLATION, "no answer to a ping");
      return;
    }
    if (this.#isBlocked && this.#wasBlocked) {
      this.#port.close(TRY_AGAIN_LATER, "too slow; resume by cursor");
      return;
    }
    this.#wasBlocked = this.#isBlocked;
    this.#hasAnswered = false;
    this.#port.ping();
  }
}

function parseJsonText(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    throw new CanopyError("request.invalid", "the frame is not valid JSON");
  }
}
