import type { PreparedAgent } from "@canopy/agents";
import type { PreparedWorkspace } from "../attempts/prepare-workspace.ts";
import type { RunnerLog } from "../runner-log.ts";

/** How long one may wait when nobody works any more: between two attempts of a run it is less. */
const LINGER_MS = 3_000;

/** An agent that waits in a workspace of its own. */
export interface WarmAgent extends PreparedWorkspace {
  readonly prepared: PreparedAgent;
}

/** What is needed of one here. */
export interface Waiting {
  readonly prepared: AsyncDisposable & { readonly exited: Promise<void> };
  readonly workspace: { readonly commit: string; dispose(): Promise<void> };
  readonly release: () => Promise<void>;
}

/** How to make one, and for which commit it would be now. */
export interface WarmRecipe<T extends Waiting = WarmAgent> {
  /** Stands for everything that it was told: agent, model, settings, environment. */
  readonly key: string;
  readonly readCommit: () => Promise<string>;
  readonly make: (signal: AbortSignal) => Promise<T>;
}

interface Spare<T extends Waiting> {
  readonly recipe: WarmRecipe<T>;
  readonly made: Promise<T | null>;
  /** Ends its making. */
  readonly controller: AbortController;
  isGone: boolean;
}

/** Ends one that nobody took. */
export async function disposeWarm({ prepared, workspace, release }: Waiting): Promise<void> {
  await prepared[Symbol.asyncDispose]();
  await workspace.dispose();
  await release();
}

/** An agent that ended by itself is given to nobody. */
async function watch(spare: Spare<Waiting>): Promise<void> {
  const warm = await spare.made;
  await warm?.prepared.exited;
  spare.isGone = true;
}

/**
 * Agents that wait for their tasks: at most one for each agent, model and settings, and never more than attempts at work. One whose
 * files are not those of the branch any more is given to nobody.
 */
export class WarmAgents<T extends Waiting = WarmAgent> {
  readonly #log: RunnerLog;
  readonly #spares = new Map<string, Spare<T>>();
  readonly #ending = new Set<Promise<void>>();
  #activeCount = 0;
  #linger: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;

  constructor(log: RunnerLog) {
    this.#log = log;
  }

  /** Says that an attempt is at work. Disposing says that it is over; when none is left, none waits for long. */
  enter(): Disposable {
    this.#activeCount += 1;
    clearTimeout(this.#linger);
    return {
      [Symbol.dispose]: () => {
        this.#activeCount -= 1;
        if (this.#activeCount > 0) return;
        this.#linger = setTimeout(() => this.#dropAll(), LINGER_MS);
        this.#linger.unref();
      },
    };
  }

  /**
   * One that waits, with files at the branch's tip; null when there is none, or when `signal` is aborted first. It is the
   * caller's from then on.
   */
  async take({ key, readCommit }: WarmRecipe<T>, signal: AbortSignal): Promise<T | null> {
    const spare = this.#spares.get(key);
    if (spare === undefined) return null;
    this.#spares.delete(key);
    const { promise: aborted, resolve } = Promise.withResolvers<null>();
    const onAbort = (): void => resolve(null);
    signal.addEventListener("abort", onAbort, { once: true });
    const warm = signal.aborted ? null : await Promise.race([spare.made, aborted]);
    signal.removeEventListener("abort", onAbort);
    if (warm !== null && !spare.isGone && warm.workspace.commit === (await readCommit())) return warm;
    this.#drop(spare);
    return null;
  }

  /** Prepares one, unless one waits already. Failing is no harm: the next attempt starts its agent by itself. */
  refill(recipe: WarmRecipe<T>): void {
    if (this.#isOver || this.#spares.has(recipe.key) || this.#spares.size >= this.#activeCount) return;
    const controller = new AbortController();
    const made = recipe.make(controller.signal).catch((error: unknown) => {
      if (!controller.signal.aborted)
        this.#log.warn({ error }, "no agent could be prepared; the next one starts when it is needed");
      return null;
    });
    const spare: Spare<T> = { recipe, made, controller, isGone: false };
    this.#spares.set(recipe.key, spare);
    void watch(spare);
  }

  /** After the branch moved: makes those anew whose files are old. */
  async refresh(): Promise<void> {
    for (const [key, spare] of this.#spares) {
      const warm = await spare.made;
      const commit = await spare.recipe.readCommit();
      if (this.#spares.get(key) !== spare || warm?.workspace.commit === commit) continue;
      this.#spares.delete(key);
      this.#drop(spare);
      if (warm !== null) this.refill(spare.recipe);
    }
  }

  /** Ends all that wait, and resolves when they are gone. */
  async end(): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#linger);
    this.#dropAll();
    await Promise.all(this.#ending);
  }

  #dropAll(): void {
    for (const spare of this.#spares.values()) this.#drop(spare);
    this.#spares.clear();
  }

  /** Ends one, wherever it is, in the background. */
  #drop({ made, controller }: Spare<T>): void {
    controller.abort();
    const end = async (): Promise<void> => {
      const warm = await made;
      if (warm !== null) await disposeWarm(warm);
    };
    const ended = end()
      .catch((error: unknown) => this.#log.warn({ error }, "an agent that waited could not be ended"))
      .finally(() => this.#ending.delete(ended));
    this.#ending.add(ended);
  }
}
