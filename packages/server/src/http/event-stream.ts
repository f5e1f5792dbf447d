import type { EventEnvelope } from "@canopy/protocol";
import type { LiveMessage, RoomHandle } from "@canopy/core";

/** What a stream of server-sent events starts from. */
export interface EventStreamOptions {
  readonly room: RoomHandle;
  /** Events after this; undefined asks for a snapshot first. */
  readonly afterSeq: number | undefined;
  readonly withLive: boolean;
  readonly signal: AbortSignal;
}

const PAGE = 500;
/** How many bytes may wait for a slow reader before it is fed page by page from the journal. */
const MAX_WAITING_BYTES = 1_048_576;
const KEEP_ALIVE_MS = 15_000;

/** One event as server-sent text, made once however many read it. */
const texts = new WeakMap<EventEnvelope, string>();

function eventText(event: EventEnvelope): string {
  const known = texts.get(event);
  if (known !== undefined) return known;
  const text = `id: ${event.seq}\nevent: event\ndata: ${JSON.stringify(event)}\n\n`;
  texts.set(event, text);
  return text;
}

function liveText(message: LiveMessage): string {
  return `event: ${message.type}\ndata: ${JSON.stringify(message)}\n\n`;
}

/**
 * A room's events as a stream (WHATWG server-sent events): a snapshot (`event: snapshot`), or what came after a sequence
 * number, then events in order without a gap. `id` is the sequence number, so `Last-Event-ID` resumes. A slow reader is
 * fed from the journal at its own pace; live messages may be left out for it.
 */
export function createEventStream(options: EventStreamOptions): ReadableStream<Uint8Array> {
  let stop = (): void => {};
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const feed = new EventFeed(options, controller);
        stop = feed.start();
      },
      pull() {
        // Demand is read off `desiredSize` when events come; a waiting reader is caught up below.
        catchUp.get(options)?.();
      },
      cancel() {
        stop();
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: MAX_WAITING_BYTES }),
  );
}

const catchUp = new WeakMap<EventStreamOptions, () => void>();

class EventFeed {
  readonly #options: EventStreamOptions;
  readonly #controller: ReadableStreamDefaultController<Uint8Array>;
  readonly #encoder = new TextEncoder();
  #cursor = 0;
  #isOver = false;
  #isCatchingUp = false;

  constructor(options: EventStreamOptions, controller: ReadableStreamDefaultController<Uint8Array>) {
    this.#options = options;
    this.#controller = controller;
  }

  start(): () => void {
    const { room, afterSeq, signal, withLive } = this.#options;
    // Snapshot and subscription in one tick: nothing can come between them.
    if (afterSeq === undefined || afterSeq > room.lastSeq) {
      const { seq, state } = room.snapshot();
      this.#cursor = seq;
      this.#send(`id: ${seq}\nevent: snapshot\ndata: ${JSON.stringify({ seq, state })}\n\n`);
    } else {
      this.#cursor = afterSeq;
    }
    const unsubscribe = room.subscribe({
      events: () => this.#catchUp(),
      ...(withLive ? { live: (message: LiveMessage) => this.#sendLive(message) } : {}),
    });
    const keepAlive = setInterval(() => this.#send(": alive\n\n"), KEEP_ALIVE_MS);
    const stop = (): void => {
      if (this.#isOver) return;
      this.#isOver = true;
      clearInterval(keepAlive);
      unsubscribe();
      catchUp.delete(this.#options);
      try {
        this.#controller.close();
      } catch {
        // Closed by its reader already.
      }
    };
    signal.addEventListener("abort", stop, { once: true });
    catchUp.set(this.#options, () => this.#catchUp());
    this.#catchUp();
    return stop;
  }

  #catchUp(): void {
    // Handing a chunk over may ask for more at once; the loop below is the one that goes on.
    if (this.#isCatchingUp) return;
    this.#isCatchingUp = true;
    const { room } = this.#options;
    while (!this.#isOver && this.#cursor < room.lastSeq && (this.#controller.desiredSize ?? 0) > 0) {
      for (const event of room.eventsAfter(this.#cursor, PAGE)) {
        this.#cursor = event.seq;
        this.#send(eventText(event));
      }
    }
    this.#isCatchingUp = false;
  }

  #sendLive(message: LiveMessage): void {
    if ((this.#controller.desiredSize ?? 0) > 0) this.#send(liveText(message));
  }

  #send(text: string): void {
    if (this.#isOver) return;
    this.#controller.enqueue(this.#encoder.encode(text));
  }
}
