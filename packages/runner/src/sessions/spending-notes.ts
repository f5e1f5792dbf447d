import type { JobSource } from "../job-source.ts";
import type { Lease } from "../landing/queue-context.ts";
import type { RunnerLog } from "../runner-log.ts";
import type { SpendingMeter } from "./spending-book.ts";

/** What may be lost of an attempt's spending when this program is killed. */
const EVERY_MS = 5_000;

/** Tells the room what an attempt has spent so far: the first of it at once, the rest now and then. */
export class SpendingNotes {
  readonly #source: JobSource;
  readonly #lease: Lease;
  readonly #log: RunnerLog;
  #told = "";
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #count = 0;

  constructor(source: JobSource, lease: Lease, log: RunnerLog) {
    this.#source = source;
    this.#lease = lease;
    this.#log = log;
  }

  /** Call it whenever something may have been spent. */
  note({ usage, steps }: Pick<SpendingMeter, "usage" | "steps">, nowMs: number): void {
    if (steps === 0 && usage.inputTokens + usage.outputTokens === 0 && usage.costUsd === null) return;
    if (nowMs - this.#toldAtMs < EVERY_MS) return;
    const text = JSON.stringify([usage, steps]);
    if (text === this.#told) return;
    this.#told = text;
    this.#toldAtMs = nowMs;
    this.#count += 1;
    const { jobId, fence } = this.#lease;
    this.#source
      .submit({ type: "attempt.spend", jobId, fence, usage, steps }, `spend:${jobId}:${fence}:${this.#count}`)
      .catch((error: unknown) => this.#log.warn({ error }, "the room did not hear what was spent"));
  }
}
