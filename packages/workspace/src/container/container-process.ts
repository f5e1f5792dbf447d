import { once } from "node:events";
import type { Duplex } from "node:stream";
import type { ChildProcessHandle, ProcessExit } from "@canopy/protocol";
import { z } from "zod";
import { waitUntil } from "../process-table.ts";
import type { EngineClient } from "./engine-client.ts";
import { createEngineError } from "./engine-client.ts";
import { splitStreams } from "./split-streams.ts";

const createdSchema = z.object({ Id: z.string() });
const inspectedSchema = z.object({
  Running: z.boolean().default(false),
  ExitCode: z.number().nullable().default(null),
  Pid: z.number().default(0),
});
/** Writes down its number, then becomes the command: the engine has no way to signal one process. */
const NOTE_PID = 'echo $$ > "$1"; shift; exec "$@"';
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
  /** Ends the process's tree. */
  readonly killTree: () => Promise<void>;
}

async function createExec(process: Omit<ContainerProcess, "killTree" | "pidFile">): Promise<string> {
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

/** Runs a small command of Canopy's own in a container to its end. */
export async function runInContainer(process: Omit<ContainerProcess, "killTree" | "pidFile">): Promise<void> {
  const id = await createExec(process);
  const stream = await process.engine.hijack(`/exec/${id}/start`, { Detach: false, Tty: false });
  stream.on("error", () => undefined);
  stream.end();
  stream.resume();
  if (!stream.destroyed) await once(stream, "close").catch(() => undefined);
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
    this.exited = new Promise<void>((resolve) => {
      stream.once("end", resolve);
      stream.once("close", resolve);
    }).then(async () => {
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

/** Starts a process in a container. Throws `workspace.failed` with what the engine says. */
export async function startInContainer(process: ContainerProcess): Promise<ChildProcessHandle> {
  const command = ["/bin/sh", "-c", NOTE_PID, "sh", process.pidFile, ...process.command] as const;
  const id = await createExec({ ...process, command: [...command] });
  const stream = await process.engine.hijack(`/exec/${id}/start`, { Detach: false, Tty: false });
  const answer = await process.engine.ask("GET", `/exec/${id}/json`).catch(() => null);
  const inspected = inspectedSchema.safeParse(answer?.value);
  return new Handle(process, id, inspected.success ? inspected.data.Pid : 0, stream);
}
