/** How a process ended: an exit code, or the signal that killed it. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: string | null;
}

/** What to start and with what. `env` is the whole environment: nothing is inherited. */
export interface SpawnOptions {
  /** Defaults to the workspace's root, as seen from inside. */
  readonly cwd?: string;
  readonly env: Readonly<Record<string, string>>;
}

/**
 * A started process tree. Output is bytes; whoever starts it must consume both streams. `stop` asks the main process
 * to end (SIGTERM), waits `graceMs`, then kills the whole tree, grandchildren in other sessions included; it is
 * idempotent and resolves when nothing of the tree is left.
 */
export interface ChildProcessHandle {
  readonly pid: number;
  readonly stdout: AsyncIterable<Uint8Array>;
  readonly stderr: AsyncIterable<Uint8Array>;
  /** Resolves when the chunk was accepted; a closed pipe is ignored. */
  write(chunk: string | Uint8Array): Promise<void>;
  endInput(): void;
  /** Resolves once, when the main process has ended. Never rejects. */
  readonly exited: Promise<ProcessExit>;
  signal(name: "SIGINT" | "SIGTERM" | "SIGKILL"): void;
  stop(graceMs: number): Promise<ProcessExit>;
}

/**
 * Starts a process in a workspace. Rejects with `workspace.failed` when the workspace cannot start it and with
 * `agent.not-found` when the executable does not exist.
 */
export type SpawnProcess = (
  command: readonly [string, ...string[]],
  options: SpawnOptions,
) => Promise<ChildProcessHandle>;
