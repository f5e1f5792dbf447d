import type { AgentEvent } from "@canopy/protocol";

/** When this much waits unread, the producer is asked to pause; at half of it, to go on. */
const HIGH_COST = 1024 * 1024;
const LOW_COST = HIGH_COST / 2;
/** Neighbouring deltas are joined up to this many characters. */
const MAX_DELTA_CHARS = 64 * 1024;
const BASE_COST = 200;

function toolTextLength(event: Extract<AgentEvent, { tool: unknown }>): number {
  let length = event.tool.output?.length ?? 0;
  for (const diff of event.tool.diffs) length += (diff.oldText?.length ?? 0) + (diff.newText?.length ?? 0);
  return length;
}

function eventCost(event: AgentEvent): number {
  if ("text" in event) return BASE_COST + event.text.length;
  if ("tool" in event) return BASE_COST + toolTextLength(event);
  return BASE_COST;
}

function joinDeltas(last: AgentEvent | undefined, next: AgentEvent): AgentEvent | null {
  if (last === undefined || last.type !== next.type) return null;
  if (last.type !== "message.delta" && last.type !== "thought.delta") return null;
  if (next.type !== "message.delta" && next.type !== "thought.delta") return null;
  if (last.text.length + next.text.length > MAX_DELTA_CHARS) return null;
  return { type: next.type, text: last.text + next.text };
}

/**
 * Events on their way to their one reader. Unread deltas that follow each other are joined, so a token stream stays
 * small. `push` never blocks: producers ask `hasRoom` and wait for `room`, which is how an agent is held back.
 */
export class EventQueue implements AsyncIterable<AgentEvent> {
  #items: AgentEvent[] = [];
  #head = 0;
  #cost = 0;
  #isEnded = false;
  #isUnbounded = false;
  #isDiscarding = false;
  #wakeReader: (() => void) | null = null;
  #wakeWriters: (() => void)[] = [];

  /** Adds an event; ignored after `end` and when the reader has gone. */
  push(event: AgentEvent): void {
    if (this.#isEnded || this.#isDiscarding) return;
    const lastIndex = this.#items.length - 1;
    const joined = lastIndex >= this.#head ? joinDeltas(this.#items[lastIndex], event) : null;
    if (joined === null) {
      this.#items.push(event);
      this.#cost += eventCost(event);
    } else {
      this.#items[lastIndex] = joined;
      this.#cost += eventCost(event) - BASE_COST;
    }
    this.#wakeReader?.();
  }

  /** False while too much waits unread. */
  hasRoom(): boolean {
    return this.#cost < HIGH_COST || this.#isEnded || this.#isUnbounded || this.#isDiscarding;
  }

  /** Resolves when the reader has caught up, at once when there is room. */
  async room(): Promise<void> {
    while (!this.hasRoom()) await new Promise<void>((resolve) => this.#wakeWriters.push(resolve));
  }

  /** Lifts the bound, so that a stop never waits for a reader. */
  unbound(): void {
    this.#isUnbounded = true;
    this.#releaseWriters();
  }

  /** No further events; the reader gets what is left and then the end. Idempotent. */
  end(): void {
    this.#isEnded = true;
    this.#releaseWriters();
    this.#wakeReader?.();
  }

  [Symbol.asyncIterator](): AsyncIterator<AgentEvent> {
    return {
      next: () => this.#next(),
      return: () => {
        this.#isDiscarding = true;
        this.#items = [];
        this.#head = 0;
        this.#cost = 0;
        this.#releaseWriters();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  async #next(): Promise<IteratorResult<AgentEvent>> {
    for (;;) {
      const event = this.#items[this.#head];
      if (event !== undefined) return { done: false, value: this.#take(event) };
      if (this.#isEnded || this.#isDiscarding) return { done: true, value: undefined };
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
      this.#wakeReader = null;
    }
  }

  #take(event: AgentEvent): AgentEvent {
    this.#head += 1;
    this.#cost -= eventCost(event);
    if (this.#head > 1000 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    } else if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    }
    if (this.#cost < LOW_COST) this.#releaseWriters();
    return event;
  }

  #releaseWriters(): void {
    for (const wake of this.#wakeWriters.splice(0)) wake();
  }
}
