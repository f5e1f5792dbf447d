import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { PassThrough } from "node:stream";
import type { Readable } from "node:stream";
import { CanopyError } from "@canopy/protocol";
import type { ChildProcessHandle, ProcessExit } from "@canopy/protocol";
import { listChildren, sendSignal, waitUntil } from "./process-table.ts";

/** How to start a process and how to get rid of it. */
export interface StartOptions {
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** True when `command` is an entry program that forks the real one and passes on how it ended. */
  readonly isEntered: boolean;
  /** Kills what is left of the process's tree and resolves when nothing is. */
  readonly killTree: (mainPid: number) => Promise<void>;
}

const START_WITHIN_MS = 2_000;

function waitForSpawn(child: ChildProcessWithoutNullStreams, program: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (error: NodeJS.ErrnoException) => {
      const code = error.code === "ENOENT" ? "agent.not-found" : "workspace.failed";
      reject(
        new CanopyError(code, `could not start ${program}: ${error.code ?? error.message}`, { cause: error }),
      );
    });
  });
}

/** The number of the real process behind an entry program; the entry's own when it ended before it could be seen. */
async function findMainPid(child: ChildProcessWithoutNullStreams, isEntered: boolean): Promise<number> {
  const entry = child.pid ?? 0;
  if (!isEntered) return entry;
  let main: number | undefined;
  await waitUntil(async () => {
    [main] = await listChildren(entry);
    return main !== undefined || child.exitCode !== null || child.signalCode !== null;
  }, START_WITHIN_MS);
  return main ?? entry;
}

/**
 * Node throws away what an ended process had printed when nobody reads yet, and finding the real process takes a moment: so
 * somebody reads from the start. Who stops reading early does not break the process's pipe.
 */
function keepOutput(source: Readable): Readable {
  const kept = source.pipe(new PassThrough());
  kept.once("close", () => void source.resume());
  return kept;
}

interface Running extends StartOptions {
  readonly stdout: Readable;
  readonly stderr: Readable;
}

class SpawnedProcess implements ChildProcessHandle {
  readonly pid: number;
  readonly stdout: AsyncIterable<Uint8Array>;
  readonly stderr: AsyncIterable<Uint8Array>;
  readonly exited: Promise<ProcessExit>;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #killTree: () => Promise<void>;
  #hasExited = false;
  #stopped: Promise<ProcessExit> | null = null;

  constructor(
    child: ChildProcessWithoutNullStreams,
    exited: Promise<ProcessExit>,
    pid: number,
    options: Running,
  ) {
    this.#child = child;
    this.pid = pid;
    this.stdout = options.stdout;
    this.stderr = options.stderr;
    this.#killTree = () => options.killTree(pid);
    this.exited = exited;
    void exited.then(() => (this.#hasExited = true));
  }

  write(chunk: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.#child.stdin.write(chunk, () => resolve());
    });
  }

  endInput(): void {
    this.#child.stdin.end();
  }

  signal(name: "SIGINT" | "SIGTERM" | "SIGKILL"): void {
    if (!this.#hasExited) sendSignal(this.pid, name);
  }

  stop(graceMs: number): Promise<ProcessExit> {
    this.#stopped ??= this.#stop(graceMs);
    return this.#stopped;
  }

  async #stop(graceMs: number): Promise<ProcessExit> {
    if (graceMs > 0) {
      this.signal("SIGTERM");
      await waitUntil(() => this.#hasExited, graceMs);
    }
    this.signal("SIGKILL");
    await this.#killTree();
    return await this.exited;
  }
}

/**
 * Starts a process with piped streams, in a session of its own so that a terminal's Ctrl-C does not reach it. Rejects with
 * `agent.not-found` or `workspace.failed`.
 */
export async function startProcess(options: StartOptions): Promise<ChildProcessHandle> {
  const [program, ...args] = options.command;
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: options.env,
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  const stdout = keepOutput(child.stdout);
  const stderr = keepOutput(child.stderr);
  const exited = new Promise<ProcessExit>((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
    child.once("error", () => resolve({ code: null, signal: null }));
  });
  child.stdin.on("error", () => undefined);
  await waitForSpawn(child, program);
  const pid = await findMainPid(child, options.isEntered);
  return new SpawnedProcess(child, exited, pid, { ...options, stdout, stderr });
}
