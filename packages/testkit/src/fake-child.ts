import type { ChildProcessHandle, ProcessExit } from "@canopy/protocol";

/** A process that exists in memory only: what it prints, and what was written to it. */
export interface FakeChild extends ChildProcessHandle {
  readonly input: string[];
  /** Ends it. */
  exit(exit: ProcessExit): void;
}

async function* nothing(): AsyncGenerator<Uint8Array> {
  // Nothing is printed.
}

/** Makes a process in memory from its output; `input` collects what is written to it. It ends when `exit` or `stop` is called. */
export function createFakeChild(
  stdout: AsyncIterable<Uint8Array>,
  stderr: AsyncIterable<Uint8Array> = nothing(),
  input: string[] = [],
): FakeChild {
  const { promise: exited, resolve } = Promise.withResolvers<ProcessExit>();
  return {
    pid: 0,
    stdout,
    stderr,
    input,
    exited,
    write: (chunk) => {
      input.push(typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk));
      return Promise.resolve();
    },
    endInput: () => null,
    signal: () => null,
    stop: () => {
      resolve({ code: null, signal: "SIGTERM" });
      return exited;
    },
    exit: resolve,
  };
}
