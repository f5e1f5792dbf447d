import type { AgentEvent, ToolCall, TurnEndReason, Usage } from "@canopy/protocol";
import { ZERO_USAGE } from "@canopy/protocol";
import { TextTail } from "./byte-lines.ts";
import type { TurnError } from "./agent-driver.ts";
import type { EventQueue } from "./event-queue.ts";

/** A longer message is closed and goes on as a new one, so that no event grows without bound. */
const MAX_MESSAGE_CHARS = 256 * 1024;
const MAX_OUTPUT_CHARS = 1024 * 1024;
const LAST_MESSAGE_CHARS = 64 * 1024;
/** Tool calls that are remembered for late updates. */
const MAX_TOOLS = 500;

/** What an agent says about a tool call: only what it knows or what changed. */
export type ToolPatch = { readonly [K in keyof Omit<ToolCall, "toolCallId">]?: ToolCall[K] | undefined };

type TextKind = "message" | "thought";

function isFinalState(state: ToolCall["state"] | undefined): boolean {
  return state === "completed" || state === "failed";
}

function isFinal(tool: ToolCall): boolean {
  return isFinalState(tool.state);
}

function isSame(left: unknown, right: unknown): boolean {
  return left === right || JSON.stringify(left) === JSON.stringify(right);
}

/** The start of a text, at most `limit` (2 or more) characters, that does not end inside a surrogate pair. */
function takePiece(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const last = text.charCodeAt(limit - 1);
  const isHighSurrogate = last >= 0xd800 && last <= 0xdbff;
  return text.slice(0, isHighSurrogate ? limit - 1 : limit);
}

function cutOutput(output: string): string {
  if (output.length <= MAX_OUTPUT_CHARS) return output;
  return `${output.slice(0, MAX_OUTPUT_CHARS)}\n[${output.length - MAX_OUTPUT_CHARS} characters cut by canopy]`;
}

function mergeTool(before: ToolCall, patch: ToolPatch): ToolCall {
  const output = patch.output === undefined ? before.output : cutOutput(patch.output);
  const input = patch.input === undefined ? before.input : patch.input;
  return {
    toolCallId: before.toolCallId,
    kind: patch.kind ?? before.kind,
    title: patch.title ?? before.title,
    // Some agents send a call again from its beginning; what is over stays over.
    state: isFinal(before) && !isFinalState(patch.state) ? before.state : (patch.state ?? before.state),
    locations: patch.locations ?? before.locations,
    ...(input === undefined ? {} : { input }),
    ...(output === undefined ? {} : { output }),
    diffs: patch.diffs ?? before.diffs,
  };
}

function hasChange(before: ToolCall, after: ToolCall): boolean {
  return (
    before.state !== after.state ||
    before.title !== after.title ||
    before.kind !== after.kind ||
    before.output !== after.output ||
    !isSame(before.input, after.input) ||
    !isSame(before.locations, after.locations) ||
    !isSame(before.diffs, after.diffs)
  );
}

/**
 * Turns what an agent says into well-formed canonical events: deltas are closed by one full message before anything
 * durable, tool events carry the merged tool call, and at the end of a turn nothing stays open.
 */
export class EventWriter {
  readonly #queue: EventQueue;
  readonly #tools = new Map<string, ToolCall>();
  readonly #lastMessage = new TextTail(LAST_MESSAGE_CHARS);
  #openKind: TextKind | null = null;
  #openId: string | null = null;
  #openText = "";
  #usage: Usage = ZERO_USAGE;
  #isSilent = true;

  constructor(queue: EventQueue) {
    this.#queue = queue;
  }

  /** Totals since the session began. */
  get usage(): Usage {
    return this.#usage;
  }

  /** The end of the last message of the running or last turn. */
  get lastMessage(): string {
    return this.#lastMessage.text;
  }

  /** True while nothing was said, thought or done in the running or last turn. */
  get isSilent(): boolean {
    return this.#isSilent;
  }

  /** Forgets the last message; call it when a prompt is sent. */
  beginTurn(): void {
    this.closeText();
    this.#isSilent = true;
    this.#lastMessage.clear();
  }

  /** Adds to the agent's message. Another `messageId` begins another message. */
  message(text: string, messageId: string | null = null): void {
    this.#text("message", text, messageId);
  }

  /** Adds to the agent's thought. */
  thought(text: string, messageId: string | null = null): void {
    this.#text("thought", text, messageId);
  }

  /** Closes an open message or thought with its full text. */
  closeText(): void {
    const kind = this.#openKind;
    if (kind === null) return;
    this.#openKind = null;
    const text = this.#openText;
    this.#openText = "";
    if (text !== "") this.#queue.push({ type: `${kind}.done`, text });
  }

  /** Writes a durable event after closing what is open. */
  emit(event: AgentEvent): void {
    this.closeText();
    this.#queue.push(event);
  }

  /** Merges what is newly known about a tool call, tells it when something changed, and returns the full value. */
  tool(toolCallId: string, patch: ToolPatch): ToolCall {
    this.#isSilent = false;
    const known = this.#tools.get(toolCallId);
    const before = known ?? {
      toolCallId,
      kind: "other",
      title: "tool call",
      state: "pending",
      locations: [],
      diffs: [],
    };
    const after = mergeTool(before, patch);
    this.#remember(after);
    if (known === undefined && isFinal(after))
      this.emit({ type: "tool.started", tool: { ...after, state: "in_progress" } });
    if (known === undefined && !isFinal(after)) this.emit({ type: "tool.started", tool: after });
    else if (isFinal(after) && (known === undefined || hasChange(before, after))) {
      this.emit({ type: "tool.ended", tool: after });
    } else if (hasChange(before, after)) this.emit({ type: "tool.updated", tool: after });
    return after;
  }

  /** Sets new totals and tells them when they changed. */
  setUsage(usage: Usage): void {
    if (isSame(usage, this.#usage)) return;
    this.#usage = usage;
    this.emit({ type: "usage", usage });
  }

  /** Closes everything open, tells the error if there is one, and ends the turn. */
  endTurn(reason: TurnEndReason, error: TurnError | null): void {
    this.closeText();
    for (const tool of this.#tools.values()) {
      if (isFinal(tool)) continue;
      const output =
        tool.output ?? (reason === "cancelled" ? "cancelled" : "not finished when the turn ended");
      this.tool(tool.toolCallId, { state: "failed", output });
    }
    if (error !== null) {
      const { kind, message, retryAfterMs } = error;
      this.emit({ type: "error", kind, message, ...(retryAfterMs === null ? {} : { retryAfterMs }) });
    }
    this.emit({ type: "turn.ended", reason });
  }

  #text(kind: TextKind, text: string, messageId: string | null): void {
    if (text === "") return;
    this.#isSilent = false;
    const isOther = this.#openKind !== kind || (messageId !== null && messageId !== this.#openId);
    if (isOther) {
      this.closeText();
      this.#openKind = kind;
      this.#openId = messageId;
      if (kind === "message") this.#lastMessage.clear();
    }
    let rest = text;
    while (rest !== "") {
      const piece = takePiece(rest, MAX_MESSAGE_CHARS - this.#openText.length);
      rest = rest.slice(piece.length);
      this.#queue.push({ type: `${kind}.delta`, text: piece });
      this.#openText += piece;
      if (kind === "message") this.#lastMessage.push(piece);
      if (this.#openText.length < MAX_MESSAGE_CHARS - 1) continue;
      this.#queue.push({ type: `${kind}.done`, text: this.#openText });
      this.#openText = "";
    }
  }

  #remember(tool: ToolCall): void {
    this.#tools.delete(tool.toolCallId);
    this.#tools.set(tool.toolCallId, tool);
    if (this.#tools.size <= MAX_TOOLS) return;
    const oldest = [...this.#tools.values()].find(isFinal);
    if (oldest !== undefined) this.#tools.delete(oldest.toolCallId);
  }
}
