import type { PromptImage, TurnResult } from "./agent-driver.ts";

/** What is asked in one turn. */
export interface PromptInput {
  readonly text: string;
  readonly images: readonly PromptImage[];
}

interface WaitingPrompt {
  readonly input: PromptInput;
  readonly resolve: (result: TurnResult) => void;
}

/** Runs one prompt after the other. Agents differ in what they do with a second prompt, so they never see one. */
export class PromptQueue {
  readonly #run: (input: PromptInput) => Promise<TurnResult>;
  readonly #cancelled: () => TurnResult;
  readonly #waiting: WaitingPrompt[] = [];
  #isRunning = false;

  /** `run` must not reject; `cancelled` makes the answer for a prompt that never ran. */
  constructor(run: (input: PromptInput) => Promise<TurnResult>, cancelled: () => TurnResult) {
    this.#run = run;
    this.#cancelled = cancelled;
  }

  /** Runs the prompt when those before it are over. */
  add(text: string, images: readonly PromptImage[] = []): Promise<TurnResult> {
    return new Promise((resolve) => {
      this.#waiting.push({ input: { text, images }, resolve });
      if (!this.#isRunning) void this.#drain();
    });
  }

  /** Answers every prompt that has not begun. */
  cancelWaiting(): void {
    for (const prompt of this.#waiting.splice(0)) prompt.resolve(this.#cancelled());
  }

  async #drain(): Promise<void> {
    this.#isRunning = true;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      next.resolve(await this.#run(next.input));
    }
    this.#isRunning = false;
  }
}
