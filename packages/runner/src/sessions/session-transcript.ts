import type { AgentEvent, AttemptJob, TurnEndReason } from "@canopy/protocol";
import type { JobSource } from "../job-source.ts";
import { TranscriptWriter } from "../attempts/transcript-writer.ts";
import type { TurnPrompt } from "./session-host.ts";

/** Feature in which attempts' sessions are. */
const GENERAL_FEATURE = "ftr_general";

/** Writes the turns of one session, one after another. What comes between two turns goes with the next one. */
export class SessionTranscript {
  readonly #source: JobSource;
  readonly #job: AttemptJob;
  #writer: TranscriptWriter | null = null;
  #early: AgentEvent[] = [];
  #ended = Promise.withResolvers<void>();

  constructor(source: JobSource, job: AttemptJob) {
    this.#source = source;
    this.#job = job;
  }

  /** Begins a turn; the one before must have ended. Rejects when the room refuses. */
  async begin(prompt: TurnPrompt): Promise<void> {
    const { sessionId, attemptId } = this.#job;
    this.#ended = Promise.withResolvers<void>();
    const writer = await TranscriptWriter.start({
      source: this.#source,
      featureId: GENERAL_FEATURE,
      sessionId,
      attemptId,
      author: prompt.author,
      prompt: prompt.text,
      images: prompt.images,
      promptId: prompt.promptId,
    });
    for (const event of this.#early.splice(0)) await writer.write(event);
    this.#writer = writer;
  }

  /** Takes one event. Rejects when the room refused an earlier batch. */
  async write(event: AgentEvent): Promise<void> {
    if (this.#writer === null) this.#early.push(event);
    else await this.#writer.write(event);
    if (event.type === "turn.ended") this.#ended.resolve();
  }

  /** Ends a turn when all of its events are there, so that the next can begin. */
  async endTurn(reason: TurnEndReason): Promise<void> {
    await this.#ended.promise;
    await this.end(reason);
  }

  /** Ends the last turn; call it when nothing more comes. */
  async end(reason: TurnEndReason): Promise<void> {
    const writer = this.#writer;
    this.#writer = null;
    await writer?.end(reason);
  }
}
