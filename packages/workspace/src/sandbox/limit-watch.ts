import { execFile } from "node:child_process";
import { statfs } from "node:fs/promises";
import { promisify } from "node:util";
import { holderEnvironment } from "../namespace-holder.ts";
import type { ProcessTree } from "./process-tree.ts";
import { formatLimit } from "./resource-group.ts";
import type { SandboxLimits } from "./sandbox-settings.ts";

const execute = promisify(execFile);

/** Limits that the kernel does not count for a workspace are counted here: what it wrote, how many files, how long it ran. */
export interface LimitWatch extends AsyncDisposable {
  /** What was hit so far. */
  readonly hit: string | null;
  /** Counts once more, and then says what was hit. */
  describeHit(): Promise<string | null>;
}

/** What is watched. */
export interface LimitWatchOptions {
  readonly limits: SandboxLimits;
  /** Folders that hold all that the workspace writes. */
  readonly folders: readonly string[];
  /** The processes, which may have files open that are in no folder any more; null when they cannot be looked at. */
  readonly tree: Pick<ProcessTree, "readRemovedBytes"> | null;
  /** Put before a command, it may read what the workspace's processes may. */
  readonly enter: readonly string[];
  /** Ends the workspace's processes. */
  readonly killAll: () => Promise<void>;
}

const LOOK_EVERY_MS = 250;
/** Counting may take this part of the time. */
const COST_FACTOR = 20;
const COUNT_AT_LEAST_EVERY_MS = 5_000;

interface Usage {
  readonly bytes: number;
  readonly files: number;
}

/** A length of time as people write it: `90 s`, `30 min`, `2 h`. */
export function formatTimeLimit(ms: number): string {
  if (ms % 3_600_000 === 0) return `${ms / 3_600_000} h`;
  return ms % 60_000 === 0 ? `${ms / 60_000} min` : `${Number((ms / 1000).toFixed(1))} s`;
}

async function sumUp(
  enter: readonly string[],
  options: readonly string[],
  folders: readonly string[],
): Promise<number> {
  const [program = "du", ...args] = [...enter, "du", "-s", ...options, "--", ...folders];
  // Files come and go while du looks: what it could count counts.
  const output = await execute(program, args, { env: holderEnvironment(), maxBuffer: 1 << 24 })
    .then(({ stdout }) => stdout)
    .catch((error: unknown) =>
      error instanceof Error && "stdout" in error && typeof error.stdout === "string" ? error.stdout : "",
    );
  return output.split("\n").reduce((sum, line) => sum + (Number.parseInt(line, 10) || 0), 0);
}

class Watch implements LimitWatch {
  hit: string | null = null;
  readonly #options: LimitWatchOptions;
  readonly #startedAt = performance.now();
  #base: Usage = { bytes: 0, files: 0 };
  #last: Usage = { bytes: 0, files: 0 };
  /** What was free on the file system when it was counted last: a cheap sign that much was written since. */
  #free: Usage = { bytes: 0, files: 0 };
  #countedAt = 0;
  #costMs = 0;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> = Promise.resolve();
  #isOver = false;

  constructor(options: LimitWatchOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    await this.#count();
    this.#base = this.#last;
    this.#last = { bytes: 0, files: 0 };
    this.#schedule();
  }

  async describeHit(): Promise<string | null> {
    await this.#running;
    if (this.hit === null && !this.#isOver) await this.#judge(true);
    return this.hit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#running;
  }

  get #countsDisk(): boolean {
    const { diskBytes, fileCount } = this.#options.limits;
    return diskBytes !== undefined || fileCount !== undefined;
  }

  #schedule(): void {
    if (this.#isOver || this.hit !== null) return;
    const { wallMs } = this.#options.limits;
    const leftMs = wallMs === undefined ? Infinity : wallMs - (performance.now() - this.#startedAt);
    const waitMs = Math.max(1, Math.min(leftMs, this.#countsDisk ? LOOK_EVERY_MS : 2 ** 30));
    this.#timer = setTimeout(() => {
      this.#running = this.#judge(false).then(() => this.#schedule());
    }, waitMs);
    this.#timer.unref();
  }

  async #readFree(): Promise<Usage> {
    const [folder = "/"] = this.#options.folders;
    const info = await statfs(folder).catch(() => null);
    return { bytes: (info?.bfree ?? 0) * (info?.bsize ?? 0), files: info?.ffree ?? 0 };
  }

  async #count(): Promise<void> {
    if (!this.#countsDisk) return;
    const { limits, folders, enter, tree } = this.#options;
    const startedAt = performance.now();
    this.#free = await this.#readFree();
    const bytes = limits.diskBytes === undefined ? 0 : await sumUp(enter, ["-k"], folders);
    const removedBytes = limits.diskBytes === undefined ? 0 : ((await tree?.readRemovedBytes()) ?? 0);
    const files = limits.fileCount === undefined ? 0 : await sumUp(enter, ["--inodes"], folders);
    this.#last = {
      bytes: Math.max(0, bytes * 1024 + removedBytes - this.#base.bytes),
      files: Math.max(0, files - this.#base.files),
    };
    this.#countedAt = performance.now();
    this.#costMs = this.#countedAt - startedAt;
  }

  async #isDue(): Promise<boolean> {
    const sinceMs = performance.now() - this.#countedAt;
    if (sinceMs < this.#costMs * COST_FACTOR) return false;
    if (sinceMs > COUNT_AT_LEAST_EVERY_MS) return true;
    const { diskBytes = Infinity, fileCount = Infinity } = this.#options.limits;
    const free = await this.#readFree();
    return (
      this.#free.bytes - free.bytes > (diskBytes - this.#last.bytes) / 2 ||
      this.#free.files - free.files > (fileCount - this.#last.files) / 2
    );
  }

  async #judge(isAsked: boolean): Promise<void> {
    const { diskBytes, fileCount, wallMs } = this.#options.limits;
    if (this.#countsDisk && (isAsked || (await this.#isDue()))) await this.#count();
    if (wallMs !== undefined && performance.now() - this.#startedAt >= wallMs)
      this.hit = `time limit ${formatTimeLimit(wallMs)}`;
    else if (diskBytes !== undefined && this.#last.bytes >= diskBytes)
      this.hit = `disk limit ${formatLimit(diskBytes)}`;
    else if (fileCount !== undefined && this.#last.files >= fileCount) this.hit = `file limit ${fileCount}`;
    if (this.hit !== null) await this.#options.killAll();
  }
}

/** Starts to watch; null when no limit needs it. The caller disposes it before the folders go. */
export async function startLimitWatch(options: LimitWatchOptions): Promise<LimitWatch | null> {
  const { diskBytes, fileCount, wallMs } = options.limits;
  if (diskBytes === undefined && fileCount === undefined && wallMs === undefined) return null;
  const watch = new Watch(options);
  await watch.start();
  return watch;
}
