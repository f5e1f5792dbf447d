import { execFile } from "node:child_process";
import { readFile, readdir } from "node:fs/promises";
import { platform } from "node:process";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** A process that is told apart from a later one with the same number: by its start, and by the boot it belongs to. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Start of the process in the system's own terms, opaque. */
  readonly startedAt: string;
}

interface ProcessStat {
  readonly parent: number;
  readonly state: string;
  readonly startTicks: string;
  readonly name: string;
}

function parseStat(text: string): ProcessStat | null {
  // The name is in brackets and may hold anything, brackets included.
  const open = text.indexOf("(");
  const close = text.lastIndexOf(")");
  const fields = text.slice(close + 2).split(" ");
  if (open < 0 || close < 0) return null;
  return {
    name: text.slice(open + 1, close),
    state: fields[0] ?? "",
    parent: Number(fields[1]),
    startTicks: fields[19] ?? "",
  };
}

/** What the kernel says about a process, null when it is gone. Linux only. `proc` is where a proc file system is. */
export async function readProcessStat(pid: number, proc = "/proc"): Promise<ProcessStat | null> {
  const text = await readFile(`${proc}/${pid}/stat`, "latin1").catch(() => null);
  return text === null ? null : parseStat(text);
}

async function readStart(pid: number): Promise<string | null> {
  if (platform === "linux") {
    const stat = await readProcessStat(pid);
    if (stat === null || stat.state === "Z" || stat.state === "X") return null;
    const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "");
    return `${boot.trim()}/${stat.startTicks}`;
  }
  const output = await execute("ps", ["-o", "lstart=", "-p", String(pid)]).catch(() => null);
  return output === null || output.stdout.trim() === "" ? null : output.stdout.trim();
}

/** The identity of a running process, null when there is none with this number. */
export async function identifyProcess(pid: number): Promise<ProcessIdentity | null> {
  const startedAt = await readStart(pid);
  return startedAt === null ? null : { pid, startedAt };
}

/** True when exactly this process still runs, not another one that was given its number. */
export async function isRunning(identity: ProcessIdentity): Promise<boolean> {
  return (await readStart(identity.pid)) === identity.startedAt;
}

/** The numbers of all processes in a proc file system. Linux only; elsewhere none. */
export async function listPids(proc = "/proc"): Promise<number[]> {
  const names = await readdir(proc).catch(() => []);
  return names.map(Number).filter((pid) => Number.isInteger(pid) && pid > 0);
}

/** What a process was started with, "" when it is gone. Linux only. */
export async function readCommandLine(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/cmdline`, "latin1").catch(() => "");
  return text.replaceAll("\0", " ").trimEnd();
}

/** The direct children of a process. Linux only. */
export async function listChildren(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "latin1").catch(() => "");
  return text
    .split(" ")
    .map(Number)
    .filter((child) => Number.isInteger(child) && child > 0);
}

async function listDescendants(pid: number): Promise<number[]> {
  const children = await listChildren(pid);
  const nested = await Promise.all(children.map(listDescendants));
  return [...children, ...nested.flat()];
}

/**
 * The processes whose environment holds `marker` (such as `CANOPY_ATTEMPT=att_1`), with all their descendants, also those
 * that cleared their environment. Linux only; elsewhere none.
 */
export async function findMarked(marker: string): Promise<number[]> {
  const pids = await listPids();
  const needle = Buffer.from(`\0${marker}\0`);
  const found = new Set<number>();
  await Promise.all(
    pids.map(async (pid) => {
      if (pid === process.pid) return;
      const environment = await readFile(`/proc/${pid}/environ`).catch(() => null);
      if (environment === null || !Buffer.concat([Buffer.of(0), environment, Buffer.of(0)]).includes(needle))
        return;
      for (const each of [pid, ...(await listDescendants(pid))]) found.add(each);
    }),
  );
  return [...found];
}

/** Sends a signal, and answers false when the process is gone or not ours. */
export function sendSignal(
  pid: number,
  signal: "SIGINT" | "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT",
): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** Asks again and again until the answer is true or the time is over; answers whether it became true. */
export async function waitUntil(
  condition: () => Promise<boolean> | boolean,
  withinMs: number,
): Promise<boolean> {
  const endMs = performance.now() + withinMs;
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, 25)) {
    if (await condition()) return true;
    if (performance.now() >= endMs) return false;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/** Kills every process with the marker, until none is left or the time is over. Answers those that would not die. */
export async function killMarked(marker: string, withinMs = 5_000): Promise<number[]> {
  let left: number[] = [];
  await waitUntil(async () => {
    left = await findMarked(marker);
    for (const pid of left) sendSignal(pid, "SIGKILL");
    const states = await Promise.all(left.map((pid) => readProcessStat(pid)));
    left = left.filter((_pid, index) => states[index] !== null && states[index]?.state !== "Z");
    return left.length === 0;
  }, withinMs);
  return left;
}
