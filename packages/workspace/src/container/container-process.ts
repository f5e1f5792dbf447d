import type { Duplex } from "node:stream";
import type { ChildProcessHandle, ProcessExit } from "@canopy/protocol";
import { z } from "zod";
import type { SandboxLimits } from "../sandbox/sandbox-settings.ts";
import { waitUntil } from "../process-table.ts";
import type { EngineAnswer, EngineClient } from "./engine-client.ts";
import { createEngineError } from "./engine-client.ts";
import { splitStreams } from "./split-streams.ts";

const createdSchema = z.object({ Id: z.string() });
const inspectedSchema = z.object({
  Running: z.boolean().default(false),
  ExitCode: z.number().nullable().default(null),
  Pid: z.number().default(0),
});
/** Writes down its number, then becomes the command: the engine has no way to signal one process. */
const NOTE_PID = 'echo $$ > "$1" || exit 125; shift; exec "$@"';
const BLOCK_BYTES = 512;
const ASK_EVERY_MS = 1_000;
const SIGNALS: Readonly<Record<number, string>> = { 130: "SIGINT", 137: "SIGKILL", 143: "SIGTERM" };

/** A process to start in a running container. */
export interface ContainerProcess {
  readonly engine: EngineClient;
  readonly containerId: string;
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** A file, seen at the same path inside, for the process's number. */
  readonly pidFile: string;
  readonly user: string;
  readonly limits: SandboxLimits;
  /** Ends the process's tree. */
  readonly killTree: () => Promise<void>;
}

const starting = new Map<string, Promise<unknown>>();

/** One start after the other in a container: of several at once Podman 4 forgets to end the streams of some. */
async function inTurn<T>(containerId: string, start: () => Promise<T>): Promise<T> {
  const before = starting.get(containerId) ?? Promise.resolve();
  const mine = before.catch(() => undefined).then(start);
  starting.set(containerId, mine);
  try {
    return await mine;
  } finally {
    if (starting.get(containerId) === mine) starting.delete(containerId);
  }
}

async function createExec(
  process: Omit<ContainerProcess, "killTree" | "pidFile" | "limits">,
): Promise<string> {
  const { engine, containerId, command, cwd, env, user } = process;
  const answer = await engine.ask("POST", `/containers/${containerId}/exec`, {
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Tty: false,
    User: user,
    WorkingDir: cwd,
    Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    Cmd: command,
  });
  const created = createdSchema.safeParse(answer.value);
  if (answer.status !== 201 || !created.success)
    throw createEngineError("a process could not be started", answer);
  return created.data.Id;
}

async function startExec(
  process: Parameters<typeof createExec>[0],
): Promise<{ readonly id: string; readonly stream: Duplex; readonly answer: EngineAnswer | null }> {
  const id = await createExec(process);
  const stream = await process.engine.hijack(`/exec/${id}/start`, { Detach: false, Tty: false });
  return { id, stream, answer: await process.engine.ask("GET", `/exec/${id}/json`).catch(() => null) };
}

/** Runs a small command of Canopy's own in a container to its end. */
export async function runInContainer(
  process: Omit<ContainerProcess, "killTree" | "pidFile" | "limits">,
): Promise<void> {
  const { id, stream } = await inTurn(process.containerId, () => startExec(process));
  stream.on("error", () => undefined);
  stream.end();
  stream.resume();
  await waitForEnd(process.engine, id, stream);
}

async function readExit(engine: EngineClient, id: string): Promise<ProcessExit> {
  const found = inspectedSchema.safeParse(
    (await engine.ask("GET", `/exec/${id}/json`).catch(() => null))?.value,
  );
  const code = found.success ? found.data.ExitCode : null;
  const signal = code === null ? undefined : SIGNALS[code];
  // A shell's way to say by which signal something ended is the engine's too.
  return signal === undefined ? { code, signal: null } : { code: null, signal };
}

/**
 * Waits until a stream ends, or the engine says that its process has: Podman 4 leaves some streams open when several processes start at
 * once. What it still says within a moment is waited for.
 */
async function waitForEnd(engine: EngineClient, id: string, stream: Duplex): Promise<void> {
  let isOver = false;
  let wakeUp = (): void => undefined;
  const end = (): void => {
    isOver = true;
    wakeUp();
  };
  for (const event of ["end", "close"]) stream.once(event, end);
  if (stream.destroyed) isOver = true;
  const sleep = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  while (!isOver) {
    await sleep(ASK_EVERY_MS);
    const answer = isOver ? null : await engine.ask("GET", `/exec/${id}/json`).catch(() => null);
    const found = inspectedSchema.safeParse(answer?.value);
    const isGone = answer?.status === 404;
    const hasEnded = found.success && !found.data.Running && found.data.ExitCode !== null;
    if (isOver || (!isGone && !hasEnded)) continue;
    await sleep(ASK_EVERY_MS);
    stream.destroy();
    isOver = true;
  }
}

class Handle implements ChildProcessHandle {
  readonly pid: number;
  readonly stdout: AsyncIterable<Uint8Array>;
  readonly stderr: AsyncIterable<Uint8Array>;
  readonly exited: Promise<ProcessExit>;
  readonly #stream: Duplex;
  readonly #process: ContainerProcess;
  #hasExited = false;

  constructor(process: ContainerProcess, id: string, pid: number, stream: Duplex) {
    this.#process = process;
    this.#stream = stream;
    this.pid = pid;
    const { stdout, stderr } = splitStreams(stream);
    this.stdout = stdout;
    this.stderr = stderr;
    stream.on("error", () => undefined);
    this.exited = waitForEnd(process.engine, id, stream).then(async () => {
      this.#hasExited = true;
      return await readExit(process.engine, id);
    });
  }

  write(chunk: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.#stream.write(chunk, () => resolve());
    });
  }

  endInput(): void {
    this.#stream.end();
  }

  signal(name: "SIGINT" | "SIGTERM" | "SIGKILL"): void {
    if (!this.#hasExited) void this.#send(name).catch(() => undefined);
  }

  async stop(graceMs: number): Promise<ProcessExit> {
    if (graceMs > 0 && !this.#hasExited) {
      await this.#send("SIGTERM").catch(() => undefined);
      await waitUntil(() => this.#hasExited, graceMs);
    }
    if (!this.#hasExited) await this.#send("SIGKILL").catch(() => undefined);
    await this.#process.killTree();
    return await this.exited;
  }

  async #send(name: string): Promise<void> {
    const { pidFile } = this.#process;
    const script = `kill -${name.replace("SIG", "")} "$(cat "$1")"`;
    await runInContainer({ ...this.#process, command: ["/bin/sh", "-c", script, "sh", pidFile] });
  }
}

/**
 * Commands of a shell that limit it and what it becomes. Not by the engine, which sets them for its own first process with rights that it
 * may not have; nobody inside can raise them again.
 */
export function planUlimits({ openFileCount, diskBytes }: SandboxLimits): string {
  const files = openFileCount === undefined ? "" : `ulimit -n ${openFileCount} || exit 125; `;
  const size = diskBytes === undefined ? "" : `ulimit -f ${Math.ceil(diskBytes / BLOCK_BYTES)} || exit 125; `;
  return `ulimit -c 0; ${size}${files}`;
}

/** Starts a process in a container. Throws `workspace.failed` with what the engine says. */
export async function startInContainer(process: ContainerProcess): Promise<ChildProcessHandle> {
  const script = `${planUlimits(process.limits)}${NOTE_PID}`;
  const command = ["/bin/sh", "-c", script, "sh", process.pidFile, ...process.command] as const;
  const { id, stream, answer } = await inTurn(process.containerId, () =>
    startExec({ ...process, command: [...command] }),
  );
  const inspected = inspectedSchema.safeParse(answer?.value);
  return new Handle(process, id, inspected.success ? inspected.data.Pid : 0, stream);
}
