import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFile, readdir } from "node:fs/promises";
import { CanopyError } from "@canopy/protocol";
import type { ChildProcessHandle, ProcessExit, SpawnProcess } from "@canopy/protocol";

const MARK = "CANOPY_LOCAL_PROCESS";
const REAP_LIMIT_MS = 5_000;

async function pidsWithMark(mark: string): Promise<number[]> {
  if (process.platform !== "linux") return [];
  const found = [];
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const environment = await readFile(`/proc/${entry}/environ`, "latin1").catch(() => "");
    if (environment.includes(`${MARK}=${mark}\0`)) found.push(Number(entry));
  }
  return found;
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It is gone already.
  }
}

/** Kills the group and, on Linux, everything that inherited the mark, until nothing is left. */
async function killTree(child: ChildProcess, mark: string): Promise<void> {
  const deadline = Date.now() + REAP_LIMIT_MS;
  if (child.pid !== undefined) killQuietly(-child.pid);
  for (let left = await pidsWithMark(mark); left.length > 0; left = await pidsWithMark(mark)) {
    if (Date.now() > deadline) throw new Error(`processes survive SIGKILL: ${left.join(", ")}`);
    for (const pid of left) killQuietly(pid);
  }
}

function spawnFailure(command: readonly [string, ...string[]], error: unknown): CanopyError {
  const code = error instanceof Error && "code" in error ? error.code : null;
  const isMissing = code === "ENOENT" || code === "EACCES";
  const reason = error instanceof Error ? error.message : String(error);
  return new CanopyError(
    isMissing ? "agent.not-found" : "workspace.failed",
    `cannot start ${command[0]}: ${reason}`,
    {
      cause: error,
    },
  );
}

function toHandle(child: ChildProcess & { readonly pid: number }, mark: string): ChildProcessHandle {
  const { stdin, stdout, stderr } = child;
  if (stdin === null || stdout === null || stderr === null)
    throw new Error("broken invariant: pipes are missing");
  stdin.on("error", () => null);
  const exited = once(child, "exit").then(([code, signal]): ProcessExit => ({ code, signal }));
  const stopOnce = async (graceMs: number): Promise<ProcessExit> => {
    if (graceMs > 0) {
      child.kill("SIGTERM");
      const timer = setTimeout(() => killQuietly(-child.pid), graceMs);
      await exited;
      clearTimeout(timer);
    }
    await killTree(child, mark);
    return exited;
  };
  let stopping: Promise<ProcessExit> | null = null;
  return {
    pid: child.pid,
    stdout,
    stderr,
    exited,
    write: (chunk) => new Promise((resolve) => stdin.write(chunk, () => resolve())),
    endInput: () => void stdin.end(),
    signal: (name) => void child.kill(name),
    stop: (graceMs) => {
      stopping ??= stopOnce(graceMs);
      return stopping;
    },
  };
}

/**
 * Starts a process right here, without a workspace. `stop` kills its process group and, on Linux, everything it started
 * in other sessions, found by a mark in the environment. For self-tests and tests: nothing is isolated.
 */
export const spawnLocal: SpawnProcess = async (command, options) => {
  const mark = randomUUID();
  const [program, ...args] = command;
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...options.env, [MARK]: mark },
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  try {
    await once(child, "spawn");
  } catch (error) {
    throw spawnFailure(command, error);
  }
  const { pid } = child;
  if (pid === undefined) throw spawnFailure(command, new Error("no process id"));
  return toHandle(Object.assign(child, { pid }), mark);
};
