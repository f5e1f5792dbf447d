import type { LiveMessage } from "@canopy/core";

/** How long text that an agent is writing is gathered before it is sent, in ms. */
export const LIVE_INTERVAL_MS = 60;
/** Text of one message is sent early when it grows beyond this, in characters. */
const MAX_TEXT_CHARS = 65_536;

type Delta = Extract<LiveMessage, { type: "live" }>["delta"];

function isSameText(left: Delta, right: Delta): boolean {
  return left.sessionId === right.sessionId && left.turnId === right.turnId && left.kind === right.kind;
}

/**
 * Gathers live messages for a moment: pieces of one text become one, and of one attempt's activities only the last is
 * kept. The order of different texts of a session stays.
 */
export class LiveBuffer {
  readonly #onFlush: (messages: readonly LiveMessage[]) => void;
  #messages: LiveMessage[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(onFlush: (messages: readonly LiveMessage[]) => void) {
    this.#onFlush = onFlush;
  }

  /** Adds a message; it is handed on within the interval. */
  add(message: LiveMessage): void {
    if (message.type === "live") this.#addText(message.delta);
    else this.#addActivity(message);
    this.#timer ??= setTimeout(() => this.flush(), LIVE_INTERVAL_MS);
  }

  /** Hands on what was gathered, now. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#messages.length === 0) return;
    const messages = this.#messages;
    this.#messages = [];
    this.#onFlush(messages);
  }

  /** Forgets what was gathered. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#messages = [];
  }

  #addText(delta: Delta): void {
    const index = this.#messages.findLastIndex(
      (other) => other.type === "live" && other.delta.sessionId === delta.sessionId,
    );
    const last = this.#messages[index];
    if (last?.type !== "live" || !isSameText(last.delta, delta) || last.delta.text.length > MAX_TEXT_CHARS) {
      this.#messages.push({ type: "live", delta });
      return;
    }
    this.#messages[index] = { type: "live", delta: { ...delta, text: last.delta.text + delta.text } };
  }

  #addActivity(message: Extract<LiveMessage, { type: "activity" }>): void {
    const index = this.#messages.findIndex(
      (other) => other.type === "activity" && other.activity.attemptId === message.activity.attemptId,
    );
    if (index === -1) this.#messages.push(message);
    else this.#messages[index] = message;
  }
}
