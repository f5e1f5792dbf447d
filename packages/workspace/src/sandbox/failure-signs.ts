import type { ChildProcessHandle } from "@canopy/protocol";
import { formatLimit } from "./resource-group.ts";
import type { SandboxLimits } from "./sandbox-settings.ts";

/** How much of the end of what a process says is looked at. */
const TAIL_BYTES = 4_000;

/** What programs say when the kernel refuses them something; the texts are those of the C library's errors, and of runtimes. */
const SIGNS: readonly (readonly [keyof SandboxLimits, RegExp])[] = [
  [
    "memoryBytes",
    /Cannot allocate memory|\bENOMEM\b|(?<!heap )\bout of memory|MemoryError|bad_alloc|memory allocation of \d+ bytes failed/i,
  ],
  [
    "processCount",
    /(fork|clone|thread|spawn)[^\n]*(Resource temporarily unavailable|EAGAIN)|cannot fork|can't start new thread|pthread_create failed/i,
  ],
  ["openFileCount", /Too many open files|\bEMFILE\b/],
];

function name(limit: keyof SandboxLimits, limits: SandboxLimits): string {
  if (limit === "memoryBytes") return `memory limit ${formatLimit(limits.memoryBytes ?? 0)}`;
  return limit === "processCount"
    ? `process limit ${limits.processCount ?? 0}`
    : `open files limit ${limits.openFileCount ?? 0}`;
}

/** Which limit a process that failed ran into, by the last it said; null when it said nothing of the kind. Only `limits` are asked for. */
export function recognizeLimit(text: string, limits: SandboxLimits): string | null {
  const found = SIGNS.find(([limit, sign]) => limits[limit] !== undefined && sign.test(text));
  return found === undefined ? null : name(found[0], limits);
}

/** Listens to what processes say last, for limits of each process of which the kernel tells nobody else. */
export interface FailureListener {
  /** The same process; what it says is passed on as it is. */
  listen(handle: ChildProcessHandle): ChildProcessHandle;
  /** What the last process that failed ran into. */
  describeHit(): string | null;
}

/** Listens for the signs of `limits`. */
export function createFailureListener(limits: SandboxLimits): FailureListener {
  let last: (() => string) | null = null;
  return {
    listen(handle) {
      let tail = Buffer.alloc(0);
      const pass = async function* (source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
        for await (const chunk of source) {
          tail = Buffer.concat([tail, chunk]).subarray(-TAIL_BYTES);
          yield chunk;
        }
      };
      const wait = async (): Promise<void> => {
        const { code } = await handle.exited;
        // Whatever it says on its way is its own business, as long as it gets along.
        if (code !== 0) last = () => tail.toString("latin1");
      };
      void wait();
      const stdout = pass(handle.stdout);
      const stderr = pass(handle.stderr);
      return {
        pid: handle.pid,
        stdout,
        stderr,
        exited: handle.exited,
        write: (chunk) => handle.write(chunk),
        endInput: () => handle.endInput(),
        signal: (signal) => handle.signal(signal),
        stop: (graceMs) => handle.stop(graceMs),
      };
    },
    describeHit: () => (last === null ? null : recognizeLimit(last(), limits)),
  };
}
