import type { ErrorCode, EventEnvelope } from "@canopy/protocol";
import { isCanopyError } from "@canopy/protocol";
import type { RoomView } from "../state/room-view.ts";
import type { LiveRoomMessage, RoomMessage, RoomSource } from "./room-source.ts";

/** What somebody who keeps a room wants to know. Callbacks must not throw. */
export interface SubscribeOptions<S> {
  readonly room: RoomView<S>;
  /** Called with every new state, in order, and the event that led to it (null for a snapshot). */
  readonly onState: (state: S, seq: number, event: EventEnvelope | null) => void;
  /** Asks for what is not kept, too; some of it may be left out on a slow or cut connection. */
  readonly onLive?: (message: LiveRoomMessage) => void;
  /** Told when the connection is up or lost. */
  readonly onConnection?: (state: "connected" | "lost") => void;
  readonly signal: AbortSignal;
}

/** How a lost connection is opened again: pauses double from `firstMs` to `maxMs` and are spread by plus or minus half. */
export interface ReconnectPolicy {
  readonly firstMs: number;
  readonly maxMs: number;
  /** In [0, 1). */
  readonly random: () => number;
}

/** What subscribing needs. `probe` asks the server for the reason when a connection brought nothing at all. */
export interface SubscribePorts {
  readonly source: RoomSource;
  readonly reconnect: ReconnectPolicy;
  readonly probe: (room: string, signal: AbortSignal) => Promise<void>;
}

/** Trying again would get the same answer. */
const FATAL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "request.unauthorized",
  "request.invalid",
  "request.not-found",
  "thing.not-found",
]);

function throwIfFatal(error: unknown): void {
  if (isCanopyError(error) && FATAL.has(error.code)) throw error;
}

/**
 * Keeps a copy of a room until the signal aborts: a snapshot, then every event once and in order. A lost connection is
 * opened again and resumes after the last event that was applied, so the copy ends as one that was never cut. Throws when
 * the server refuses for good: `request.unauthorized`, `thing.not-found`, another wire version.
 */
export async function subscribeRoom<S>(options: SubscribeOptions<S>, ports: SubscribePorts): Promise<void> {
  const copy = new RoomCopy(options);
  for (let failures = 0; !options.signal.aborted; failures += 1) {
    const hasHeard = await readConnection(copy, options, ports);
    if (options.signal.aborted) return;
    if (hasHeard) failures = 0;
    else await probe(options, ports);
    await pause(pauseMs(ports.reconnect, failures), options.signal);
  }
}

/** Reads one connection to its end; true when it brought anything. */
async function readConnection<S>(
  copy: RoomCopy<S>,
  options: SubscribeOptions<S>,
  ports: SubscribePorts,
): Promise<boolean> {
  const { room, signal, onLive, onConnection } = options;
  let hasHeard = false;
  try {
    const request = { room: room.address, afterSeq: copy.seq, live: onLive !== undefined, signal };
    for await (const message of ports.source(request)) {
      if (!hasHeard) onConnection?.("connected");
      hasHeard = true;
      if (signal.aborted || !copy.take(message)) break;
    }
  } catch (error) {
    if (signal.aborted) return hasHeard;
    throwIfFatal(error);
  }
  if (hasHeard && !signal.aborted) onConnection?.("lost");
  return hasHeard;
}

async function probe<S>({ room, signal }: SubscribeOptions<S>, ports: SubscribePorts): Promise<void> {
  try {
    await ports.probe(room.address, signal);
  } catch (error) {
    if (!signal.aborted) throwIfFatal(error);
  }
}

function pauseMs({ firstMs, maxMs, random }: ReconnectPolicy, failures: number): number {
  return Math.min(maxMs, firstMs * 2 ** Math.min(failures, 20)) * (0.5 + random());
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
  });
}

class RoomCopy<S> {
  readonly #options: SubscribeOptions<S>;
  #current: { readonly seq: number; readonly state: S } | undefined;

  constructor(options: SubscribeOptions<S>) {
    this.#options = options;
  }

  /** The last event that was applied; undefined before the first snapshot. */
  get seq(): number | undefined {
    return this.#current?.seq;
  }

  /** Takes a message; false when an event is missing, so that the connection must start over with a snapshot. */
  take(message: RoomMessage): boolean {
    if (message.type === "snapshot") {
      this.#set(message.seq, this.#options.room.parseState(message.state), null);
      return true;
    }
    if (message.type !== "event") {
      this.#options.onLive?.(message);
      return true;
    }
    const { event } = message;
    if (this.#current === undefined || event.seq > this.#current.seq + 1) {
      this.#current = undefined;
      return false;
    }
    if (event.seq <= this.#current.seq) return true;
    this.#set(event.seq, this.#options.room.apply(this.#current.state, event), event);
    return true;
  }

  #set(seq: number, state: S, event: EventEnvelope | null): void {
    this.#current = { seq, state };
    this.#options.onState(state, seq, event);
  }
}
