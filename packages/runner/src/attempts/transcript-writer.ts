import { createHash, randomUUID } from "node:crypto";
import type {
  AgentEvent,
  AttemptId,
  Image,
  PromptId,
  SessionId,
  TurnEndReason,
  TurnId,
} from "@canopy/protocol";
import { CanopyError, isLiveOnly } from "@canopy/protocol";
import type { JobSource, SubmitOutcome } from "../job-source.ts";
import { splitEntry } from "./split-entry.ts";

/** Deltas are put together for this long before viewers get them, in ms. */
const COALESCE_MS = 75;
const MAX_BATCH = 200;

/** What a writer needs. `prompt` is what the turn begins with; a session has one for each attempt that works in it. */
export interface TranscriptOptions {
  readonly source: JobSource;
  readonly featureId: string;
  readonly sessionId: SessionId;
  readonly attemptId: AttemptId;
  readonly author: string;
  readonly prompt: string;
  readonly images: readonly Image[];
  /** Set when the room has the prompt already. */
  readonly promptId: PromptId | null;
}

function readId(outcome: SubmitOutcome, name: string): string {
  if (outcome.type === "rejection") throw new CanopyError("internal", `${outcome.code}: ${outcome.message}`);
  const { result } = outcome;
  const id =
    typeof result === "object" && result !== null && !Array.isArray(result)
      ? Reflect.get(result, name)
      : null;
  if (typeof id !== "string") throw new CanopyError("internal", `the room's answer has no ${name}`);
  return id;
}

/**
 * Writes one turn of a session into its feature room: durable events in order and in batches, deltas live only and
 * coalesced. `write` is to be awaited, which is what holds a flooding agent back.
 */
export class TranscriptWriter {
  readonly #options: TranscriptOptions;
  readonly #turnId: TurnId;
  #pending: AgentEvent[] = [];
  #delta: { readonly kind: "message" | "thought"; text: string } | null = null;
  #timer: NodeJS.Timeout | undefined;
  #failure: unknown;

  private constructor(options: TranscriptOptions, turnId: TurnId) {
    this.#options = options;
    this.#turnId = turnId;
  }

  /** Queues the prompt and starts its turn. The session must be open. Throws `internal` when the room refuses. */
  static async start(options: TranscriptOptions): Promise<TranscriptWriter> {
    const { source, featureId, sessionId } = options;
    const promptId = options.promptId ?? (await TranscriptWriter.#submit(options));
    const started = await source.submitToFeature(
      featureId,
      { type: "turn.start", sessionId, promptId },
      `turn:${promptId}`,
    );
    return new TranscriptWriter(options, parseTurnId(readId(started, "turnId")));
  }

  static async #submit(options: TranscriptOptions): Promise<string> {
    const { source, featureId, sessionId, attemptId, author, prompt, images } = options;
    const pictures = images.length === 0 ? {} : { images: [...images] };
    const command = { type: "prompt.submit", sessionId, author, text: prompt, ...pictures };
    // An attempt asks the same thing of its session once, also when the answer was lost.
    const hash = createHash("sha256").update(prompt).digest("hex").slice(0, 16);
    const submitted = await source.submitToFeature(featureId, command, `prompt:${attemptId}:${hash}`);
    return readId(submitted, "promptId");
  }

  /** Takes one event. Rejects when the room refused an earlier batch. */
  async write(event: AgentEvent): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (isLiveOnly(event)) {
      this.#takeDelta(event);
      return;
    }
    if (event.type === "turn.ended") return;
    this.#flushDelta();
    this.#pending.push(...splitEntry(event));
    if (this.#pending.length >= MAX_BATCH) await this.flush();
    else this.#arm();
  }

  /** Writes everything that is waiting. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#flushDelta();
    const events = this.#pending;
    if (events.length === 0) return;
    this.#pending = [];
    const { source, featureId, sessionId } = this.#options;
    const outcome = await source.submitToFeature(
      featureId,
      { type: "turn.append", sessionId, turnId: this.#turnId, events },
      randomUUID(),
    );
    if (outcome.type === "rejection")
      throw new CanopyError("internal", `${outcome.code}: ${outcome.message}`);
  }

  /** Writes what is waiting and ends the turn. */
  async end(reason: TurnEndReason): Promise<void> {
    await this.flush();
    const { source, featureId, sessionId } = this.#options;
    await source.submitToFeature(
      featureId,
      { type: "turn.end", sessionId, turnId: this.#turnId, reason },
      `end-turn:${this.#turnId}`,
    );
  }

  #takeDelta(event: AgentEvent): void {
    if (event.type !== "message.delta" && event.type !== "thought.delta") return;
    const kind = event.type === "message.delta" ? "message" : "thought";
    if (this.#delta !== null && this.#delta.kind !== kind) this.#flushDelta();
    if (this.#delta === null) this.#delta = { kind, text: event.text };
    else this.#delta.text += event.text;
    this.#arm();
  }

  #flushDelta(): void {
    const delta = this.#delta;
    if (delta === null) return;
    this.#delta = null;
    const { source, featureId, sessionId } = this.#options;
    source.publishDelta(featureId, { sessionId, turnId: this.#turnId, kind: delta.kind, text: delta.text });
  }

  #arm(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.flush().catch((error: unknown) => {
        this.#failure = error;
      });
    }, COALESCE_MS);
  }
}

function parseTurnId(value: string): TurnId {
  return value as TurnId;
}
