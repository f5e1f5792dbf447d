import type { LimitWatch } from "./limit-watch.ts";
import type { ProcessTree, TreeUsage } from "./process-tree.ts";
import { formatLimit } from "./resource-group.ts";
import type { SandboxLimits } from "./sandbox-settings.ts";

/** Limits of the processes together, where no control group holds them. */
export type TreeLimits = Pick<SandboxLimits, "memoryBytes" | "processCount" | "cpuCount">;

/** What is watched. */
export interface TreeWatchOptions {
  readonly limits: TreeLimits;
  readonly tree: ProcessTree;
  /** Ends the workspace's processes. */
  readonly killAll: () => Promise<void>;
}

/** How fast memory and processes may grow: the nearer to the limit, the sooner the next look. */
const MEMORY_BYTES_PER_MS = 4_000_000;
const PROCESSES_PER_MS = 2;
const LOOK_AT_MOST_EVERY_MS = 20;
const CPU_LOOK_EVERY_MS = 100;
/** Looking may take this part of the time. */
const COST_FACTOR = 20;
/** Whom an rlimit refuses a process is just below the limit, for the kernel counts a few of Canopy's own. */
const PROCESS_SLACK = 2;
/** Processor time that may be saved up, in time at the limit. */
const SAVED_MS = 100;

class Watch implements LimitWatch {
  hit: string | null = null;
  readonly #options: TreeWatchOptions;
  #wasFull = false;
  #cpuMs = 0;
  #lookedAt = performance.now();
  #savedMs = 0;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> = Promise.resolve();
  #wakeUp: (() => void) | null = null;
  #isOver = false;

  constructor(options: TreeWatchOptions) {
    this.#options = options;
    this.#schedule(LOOK_AT_MOST_EVERY_MS);
  }

  async describeHit(): Promise<string | null> {
    await this.#running;
    if (this.hit !== null) return this.hit;
    return this.#wasFull ? this.#nameProcesses() : null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#wakeUp?.();
    await this.#running;
  }

  #nameProcesses(): string {
    return `process limit ${this.#options.limits.processCount ?? 0}`;
  }

  #schedule(waitMs: number): void {
    if (this.#isOver || this.hit !== null) return;
    this.#timer = setTimeout(() => {
      this.#running = this.#look().then(
        (nextMs) => this.#schedule(nextMs),
        () => this.#schedule(this.#options.tree.slowestLookMs),
      );
    }, waitMs);
    this.#timer.unref();
  }

  /** Looks once; answers when to look again. */
  async #look(): Promise<number> {
    const startedAt = performance.now();
    const { limits, tree } = this.#options;
    const usage = await tree.read();
    const { memoryBytes = Infinity, processCount = Infinity } = limits;
    if (usage.taskCount >= processCount - PROCESS_SLACK) this.#wasFull = true;
    let bytes = usage.residentBytes;
    // What processes share was counted for each of them.
    if (bytes >= memoryBytes) bytes = await tree.readProportionalBytes();
    if (usage.taskCount > processCount) this.hit = this.#nameProcesses();
    else if (bytes >= memoryBytes) this.hit = `memory limit ${formatLimit(memoryBytes)}`;
    if (this.hit !== null) {
      await this.#options.killAll();
      return 0;
    }
    await this.#holdBack(usage);
    const costMs = performance.now() - startedAt;
    return Math.min(
      limits.cpuCount === undefined ? tree.slowestLookMs : CPU_LOOK_EVERY_MS,
      Math.max(
        LOOK_AT_MOST_EVERY_MS,
        costMs * COST_FACTOR,
        Math.min(
          (memoryBytes - bytes) / MEMORY_BYTES_PER_MS,
          (processCount - usage.taskCount) / PROCESSES_PER_MS,
        ),
      ),
    );
  }

  /** Who had more of the processor than its share stands still until it has not. */
  async #holdBack({ cpuMs }: TreeUsage): Promise<void> {
    const { cpuCount } = this.#options.limits;
    if (cpuCount === undefined) return;
    const now = performance.now();
    const earnedMs = (now - this.#lookedAt) * cpuCount;
    // What ended without being waited for takes its time with it.
    const usedMs = Math.max(0, cpuMs - this.#cpuMs);
    this.#savedMs = Math.min(SAVED_MS * cpuCount, this.#savedMs + earnedMs - usedMs);
    this.#lookedAt = now;
    this.#cpuMs = cpuMs;
    if (this.#savedMs >= 0) return;
    await this.#options.tree.setPaused(true);
    if (!this.#isOver) await this.#sleep(-this.#savedMs / cpuCount);
    await this.#options.tree.setPaused(false);
  }

  async #sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      timer.unref();
      this.#wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wakeUp = null;
  }
}

/**
 * Watches what the processes of a workspace take together, where the kernel does not count it for us: ends them all when it is too much
 * memory or too many, and lets them stand still for a while when it is too much of the processor. Null when there is nothing to watch.
 */
export function startTreeWatch(options: TreeWatchOptions): LimitWatch | null {
  const { memoryBytes, processCount, cpuCount } = options.limits;
  if (memoryBytes === undefined && processCount === undefined && cpuCount === undefined) return null;
  return new Watch(options);
}
