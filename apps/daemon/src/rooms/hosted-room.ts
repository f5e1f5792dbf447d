import { randomInt } from "node:crypto";
import type { Actor, EventEnvelope, Json } from "@canopy/protocol";
import type { LiveMessage, Room, RoomHandle, RoomSubscriber, Sql, SubmitAnswer, Typed } from "@canopy/core";

const MAX_TIMEOUT_MS = 2_000_000_000;

/** What a hosted room needs of its host. */
export interface HostedRoomOptions {
  readonly onEvents: (events: readonly EventEnvelope[]) => void;
  /** A room broke an invariant: only this room stops. */
  readonly onBroken: (error: unknown) => void;
}

/**
 * A room on this machine: hands in time and entropy, sets one wake-up for its earliest timer, and tells subscribers.
 */
export class HostedRoom implements RoomHandle, Disposable {
  readonly #room: Room<Typed, Typed>;
  readonly #options: HostedRoomOptions;
  /** Each with the last event that stood when it came. */
  readonly #subscribers = new Map<RoomSubscriber, number>();
  #timer: NodeJS.Timeout | undefined;
  #timerDueMs: number | null = null;
  #isDisposed = false;

  constructor(room: Room<Typed, Typed>, options: HostedRoomOptions) {
    this.#room = room;
    this.#options = options;
    room.subscribe((events) => {
      const first = events[0]?.seq ?? 0;
      for (const [subscriber, fromSeq] of this.#subscribers) if (first > fromSeq) subscriber.events(events);
      options.onEvents(events);
    });
    this.#schedule();
  }

  get lastSeq(): number {
    return this.#room.lastSeq;
  }

  submit(request: { readonly key: string; readonly actor: Actor; readonly command: unknown }): SubmitAnswer {
    const answer = this.#room.submit({ ...request, nowMs: Date.now(), seed: randomInt(2 ** 32) });
    this.#schedule();
    return answer;
  }

  snapshot(): { readonly seq: number; readonly state: Json } {
    return this.#room.snapshot();
  }

  eventsAfter(seq: number, limit: number): EventEnvelope[] {
    return this.#room.eventsAfter(seq, limit);
  }

  read<T>(query: (sql: Sql) => T): T {
    return query(this.#room.sql);
  }

  subscribe(subscriber: RoomSubscriber): () => void {
    this.#subscribers.set(subscriber, this.#room.lastSeq);
    return () => {
      this.#subscribers.delete(subscriber);
    };
  }

  publishLive(message: LiveMessage): void {
    for (const subscriber of this.#subscribers.keys()) subscriber.live?.(message);
  }

  /** How far a link has read this room. */
  readLinkCursor(link: string): number {
    return this.#room.readLinkCursor(link);
  }

  /** Moves a link's cursor. */
  writeLinkCursor(link: string, seq: number): void {
    this.#room.writeLinkCursor(link, seq);
  }

  /** Notes that a runner is alive. */
  touchPresence(id: string): void {
    this.#room.touchPresence(id, Date.now());
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    clearTimeout(this.#timer);
    this.#subscribers.clear();
  }

  #schedule(): void {
    if (this.#isDisposed) return;
    const dueMs = this.#room.nextWakeMs();
    if (dueMs === this.#timerDueMs) return;
    clearTimeout(this.#timer);
    this.#timerDueMs = dueMs;
    if (dueMs === null) return;
    const delayMs = Math.min(MAX_TIMEOUT_MS, Math.max(0, dueMs - Date.now()));
    this.#timer = setTimeout(() => this.#wake(), delayMs);
  }

  #wake(): void {
    this.#timerDueMs = null;
    try {
      this.#room.wake(Date.now(), randomInt(2 ** 32));
    } catch (error) {
      this.#options.onBroken(error);
      return;
    }
    this.#schedule();
  }
}
