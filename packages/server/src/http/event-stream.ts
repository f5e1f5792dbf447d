import { STREAM_KEEP_ALIVE } from "../feed/encode-frames.ts";
import type { FeedSubscription, RoomFeed } from "../feed/room-feed.ts";

/** What a stream of server-sent events starts from. */
export interface EventStreamOptions {
  readonly feed: RoomFeed;
  /** Events after this; undefined asks for a snapshot first. */
  readonly afterSeq: number | undefined;
  readonly withLive: boolean;
  readonly signal: AbortSignal;
}

/** How many bytes may wait for a slow reader before it is fed page by page from the journal. */
const MAX_WAITING_BYTES = 1_048_576;
const KEEP_ALIVE_MS = 15_000;

/**
 * A room's events as a stream (WHATWG server-sent events): `event: snapshot`, or what came after a sequence number, then
 * `event: event` in order without a gap. `id` is the sequence number, so `Last-Event-ID` resumes. A slow reader is fed
 * from the journal at its own pace; live messages may be left out for it.
 */
export function createEventStream(options: EventStreamOptions): ReadableStream<Uint8Array> {
  let subscription: FeedSubscription | undefined;
  let keepAlive: ReturnType<typeof setInterval> | undefined;
  const stop = (): void => {
    clearInterval(keepAlive);
    subscription?.close();
    subscription = undefined;
  };
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const isReady = (): boolean => (controller.desiredSize ?? 0) > 0;
        const sink = {
          format: "stream",
          isReady,
          send: (bytes: Uint8Array) => controller.enqueue(bytes),
        } as const;
        options.signal.addEventListener("abort", () => endStream(controller, stop), { once: true });
        if (options.signal.aborted) return endStream(controller, stop);
        keepAlive = setInterval(() => {
          if (isReady()) controller.enqueue(STREAM_KEEP_ALIVE);
        }, KEEP_ALIVE_MS);
        subscription = options.feed.attach({ afterSeq: options.afterSeq, withLive: options.withLive, sink });
      },
      pull() {
        subscription?.pump();
      },
      cancel() {
        stop();
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: MAX_WAITING_BYTES }),
  );
}

function endStream(controller: ReadableStreamDefaultController<Uint8Array>, stop: () => void): void {
  stop();
  try {
    controller.close();
  } catch {
    // Its reader was faster.
  }
}
