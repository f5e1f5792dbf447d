import type { AgentEvent } from "@canopy/protocol";

/** Reads a stream of events in the background and lets a test wait for what it expects. */
export class EventCollector {
  readonly events: AgentEvent[] = [];
  /** Resolves when the stream has ended. */
  readonly ended: Promise<void>;
  #wake: (() => void)[] = [];
  #isEnded = false;

  constructor(stream: AsyncIterable<AgentEvent>) {
    this.ended = this.#read(stream);
  }

  /** Resolves with the first event, past or future, that the condition accepts; rejects when the stream ends first. */
  async waitFor(condition: (event: AgentEvent) => boolean): Promise<AgentEvent> {
    for (let index = 0; ; index += 1) {
      while (index >= this.events.length) {
        if (this.#isEnded) throw new Error(`the events ended before the expected one: ${this.#summary()}`);
        await new Promise<void>((resolve) => this.#wake.push(resolve));
      }
      const event = this.events[index];
      if (event !== undefined && condition(event)) return event;
    }
  }

  async #read(stream: AsyncIterable<AgentEvent>): Promise<void> {
    for await (const event of stream) {
      this.events.push(event);
      this.#wakeAll();
    }
    this.#isEnded = true;
    this.#wakeAll();
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  #summary(): string {
    return this.events.map((event) => event.type).join(" ");
  }
}
