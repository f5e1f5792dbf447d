import type { EventEnvelope } from "@canopy/protocol";
import type { LiveMessage, RoomHandle } from "@canopy/core";
import type { EncodedEvent, EncodedFrame, FrameFormat } from "./encode-frames.ts";
import { encodeEvent, encodeLive, encodeSnapshot } from "./encode-frames.ts";
import { LiveBuffer } from "./live-buffer.ts";

/** Where a subscriber's frames go. */
export interface FeedSink {
  readonly format: FrameFormat;
  /** False while enough is waiting: nothing more is sent until its owner calls `pump`. */
  isReady(): boolean;
  send(bytes: Uint8Array): void;
}

/** What a subscriber asks for. Without `afterSeq` it starts with a snapshot. */
export interface FeedRequest {
  readonly afterSeq: number | undefined;
  readonly withLive: boolean;
  readonly sink: FeedSink;
}

/** One subscriber. `pump` sends what is due as far as the sink takes it; both may be called at any time. */
export interface FeedSubscription {
  pump(): void;
  close(): void;
}

/** What feeds did so far, for metrics. */
export interface FeedCounts {
  publishedEvents: number;
  sentEvents: number;
  sentSnapshots: number;
  readonly subscribers: Record<FrameFormat, number>;
}

/** Makes counts that stand at zero. */
export function createFeedCounts(): FeedCounts {
  return { publishedEvents: 0, sentEvents: 0, sentSnapshots: 0, subscribers: { socket: 0, stream: 0 } };
}

const PAGE = 200;
/** Recent events stay encoded within these bounds; older ones are read from the journal. */
const MAX_RECENT_EVENTS = 2000;
const MAX_RECENT_BYTES = 8_388_608;
/** Whoever is further behind gets a snapshot instead of the events between. */
const MAX_BEHIND_EVENTS = 10_000;

/**
 * Hands one room's events to any number of subscribers. Every event is encoded once. Each subscriber has its own cursor
 * and is sent no more than it takes; a slow one is fed from the journal later, or starts over with a snapshot.
 */
export class RoomFeed {
  readonly #address: string;
  readonly #room: RoomHandle;
  readonly #counts: FeedCounts;
  readonly #subscribers = new Set<Subscriber>();
  readonly #live: LiveBuffer;
  #recent: EncodedEvent[] = [];
  #recentBytes = 0;
  #snapshot: { readonly seq: number; readonly frame: EncodedFrame } | undefined;
  #unsubscribe: (() => void) | undefined;
  #fanOut: ReturnType<typeof setTimeout> | undefined;
  /** Events up to here may be sent; lags behind the room only while live text from before them is sent. */
  #lastSeq = 0;

  constructor(address: string, room: RoomHandle, counts: FeedCounts) {
    this.#address = address;
    this.#room = room;
    this.#counts = counts;
    this.#live = new LiveBuffer((messages) => this.#sendLive(messages));
  }

  /** Adds a subscriber and sends it what is due. Snapshot and subscription happen in one tick, so nothing is missed. */
  attach(request: FeedRequest): FeedSubscription {
    this.#start();
    const subscriber = new Subscriber(request, {
      lastSeq: () => this.#lastSeq,
      snapshot: () => this.#takeSnapshot(),
      eventsAfter: (seq) => this.#eventsAfter(seq),
      counts: this.#counts,
    });
    this.#subscribers.add(subscriber);
    this.#counts.subscribers[request.sink.format] += 1;
    subscriber.pump();
    return {
      pump: () => subscriber.pump(),
      close: () => {
        if (!this.#subscribers.delete(subscriber)) return;
        subscriber.isClosed = true;
        this.#counts.subscribers[request.sink.format] -= 1;
        if (this.#subscribers.size === 0) this.#stop();
      },
    };
  }

  #start(): void {
    if (this.#unsubscribe !== undefined) return;
    this.#lastSeq = this.#room.lastSeq;
    this.#unsubscribe = this.#room.subscribe({
      events: (events) => this.#publish(events),
      live: (message) => this.#live.add(message),
    });
  }

  #stop(): void {
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    clearTimeout(this.#fanOut);
    this.#fanOut = undefined;
    this.#live.clear();
    this.#recent = [];
    this.#recentBytes = 0;
    this.#snapshot = undefined;
  }

  #publish(events: readonly EventEnvelope[]): void {
    // What was said before these events is sent before them.
    this.#live.flush();
    for (const event of events) {
      const encoded = encodeEvent(this.#address, event);
      this.#recent.push(encoded);
      this.#recentBytes += encoded.sizeBytes;
      this.#lastSeq = event.seq;
    }
    this.#counts.publishedEvents += events.length;
    this.#snapshot = undefined;
    this.#trimRecent();
    // Later, so that the command is answered first and commits that follow at once go out together.
    this.#fanOut ??= setTimeout(() => this.#pumpAll(), 0);
  }

  #trimRecent(): void {
    let count = 0;
    while (
      this.#recent.length - count > MAX_RECENT_EVENTS ||
      (this.#recentBytes > MAX_RECENT_BYTES && this.#recent.length - count > 1)
    ) {
      this.#recentBytes -= this.#recent[count]?.sizeBytes ?? 0;
      count += 1;
    }
    if (count > 0) this.#recent.splice(0, count);
  }

  #pumpAll(): void {
    clearTimeout(this.#fanOut);
    this.#fanOut = undefined;
    for (const subscriber of this.#subscribers) subscriber.pump();
  }

  #sendLive(messages: readonly LiveMessage[]): void {
    this.#pumpAll();
    const frames = messages.map((message) => encodeLive(this.#address, message));
    for (const subscriber of this.#subscribers) subscriber.sendLive(frames);
  }

  #takeSnapshot(): { readonly seq: number; readonly frame: EncodedFrame } {
    if (this.#snapshot?.seq === this.#lastSeq) return this.#snapshot;
    const { seq, state } = this.#room.snapshot();
    this.#snapshot = { seq, frame: encodeSnapshot(this.#address, seq, state) };
    return this.#snapshot;
  }

  #eventsAfter(seq: number): readonly EncodedEvent[] {
    const first = this.#recent[0]?.seq;
    if (first !== undefined && first <= seq + 1)
      return this.#recent.slice(seq + 1 - first, seq + 1 - first + PAGE);
    return this.#room.eventsAfter(seq, PAGE).map((event) => encodeEvent(this.#address, event));
  }
}

interface SubscriberPorts {
  lastSeq(): number;
  snapshot(): { readonly seq: number; readonly frame: EncodedFrame };
  eventsAfter(seq: number): readonly EncodedEvent[];
  readonly counts: FeedCounts;
}

class Subscriber {
  readonly #request: FeedRequest;
  readonly #ports: SubscriberPorts;
  /** Undefined until the first snapshot was sent. */
  #cursor: number | undefined;
  isClosed = false;
  #isPumping = false;

  constructor(request: FeedRequest, ports: SubscriberPorts) {
    this.#request = request;
    this.#ports = ports;
    // A cursor from the future belongs to another database: start over.
    const isKnown = request.afterSeq !== undefined && request.afterSeq <= ports.lastSeq();
    this.#cursor = isKnown ? request.afterSeq : undefined;
  }

  pump(): void {
    // Handing something over may ask for more at once; the loop that is running goes on with it.
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      while (!this.isClosed && this.#request.sink.isReady() && this.#sendNext());
    } finally {
      this.#isPumping = false;
    }
  }

  sendLive(frames: readonly EncodedFrame[]): void {
    const { sink, withLive } = this.#request;
    // Whoever lags gets the finished text as an event; half of it now would only mislead.
    if (!withLive || this.isClosed || this.#cursor !== this.#ports.lastSeq()) return;
    for (const frame of frames) if (sink.isReady()) sink.send(frame.bytes(sink.format));
  }

  /** Sends a page or a snapshot; false when nothing is due. */
  #sendNext(): boolean {
    const behind = this.#cursor === undefined ? null : this.#ports.lastSeq() - this.#cursor;
    if (behind !== null && behind <= 0) return false;
    if (behind === null || behind > MAX_BEHIND_EVENTS || !this.#sendEvents()) this.#sendSnapshot();
    return true;
  }

  #sendSnapshot(): void {
    const { sink } = this.#request;
    const { seq, frame } = this.#ports.snapshot();
    this.#cursor = seq;
    this.#ports.counts.sentSnapshots += 1;
    sink.send(frame.bytes(sink.format));
  }

  /** Sends a page; false when the journal no longer has what comes next. */
  #sendEvents(): boolean {
    const { sink } = this.#request;
    const next = (this.#cursor ?? 0) + 1;
    const events = this.#ports.eventsAfter(next - 1);
    if (events[0]?.seq !== next) return false;
    for (const event of events) {
      if (this.isClosed || !sink.isReady() || event.seq > this.#ports.lastSeq()) return true;
      this.#cursor = event.seq;
      this.#ports.counts.sentEvents += 1;
      sink.send(event.bytes(sink.format));
    }
    return true;
  }
}
