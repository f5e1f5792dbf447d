import type { ToolIntent } from "../intents/tool-intent.ts";
import type { HookCall } from "./hook-call.ts";

const MAX_TOOLS = 2_000;

/**
 * Keeps what a tool was about to do until it is done. Afterwards its input is read from where the agent is then, and that may be elsewhere:
 * after `cd sub && touch x` Claude Code says that it is in `sub`. Holds the last 2,000 tools.
 */
export class ToolMemory {
  readonly #intents = new Map<string, readonly ToolIntent[]>();

  /** The call, with the intents of a finished tool as they were told before it began. Each finished tool is forgotten. */
  settle(call: HookCall): HookCall {
    const { event } = call;
    if (event.type !== "before-tool" && event.type !== "after-tool") return call;
    if (event.toolUseId === null) return call;
    const key = JSON.stringify([call.agent, call.nativeSessionId, event.toolUseId]);
    if (event.type === "before-tool") {
      this.#intents.set(key, event.intents);
      const oldest = this.#intents.keys().next();
      if (this.#intents.size > MAX_TOOLS && oldest.done !== true) this.#intents.delete(oldest.value);
      return call;
    }
    const intents = this.#intents.get(key);
    this.#intents.delete(key);
    return intents === undefined ? call : { ...call, event: { ...event, intents } };
  }
}
