import { readFile, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";

export { isProcessAlive } from "@canopy/daemon/process";

/** A process that has to do with a folder. */
export interface FoundProcess {
  readonly pid: number;
  readonly command: string;
}

/** What is still there of a Canopy home, but for its state files. */
export interface Leftovers {
  readonly processes: readonly FoundProcess[];
  /** Mount points, in any mount namespace of this machine. */
  readonly mounts: readonly string[];
  readonly workspaces: readonly string[];
  readonly trash: readonly string[];
  readonly isClean: boolean;
}

async function listPids(): Promise<number[]> {
  return (await readdir("/proc")).map(Number).filter((pid) => Number.isInteger(pid) && pid !== process.pid);
}

async function readOf(pid: number, name: string): Promise<string> {
  return await readFile(`/proc/${pid}/${name}`, "utf8").catch(() => "");
}

async function isZombie(pid: number): Promise<boolean> {
  return /^\d+ \(.*\) Z/s.test(await readOf(pid, "stat"));
}

/** Processes whose command line, environment or working folder names this folder; agents' markers are in there too. */
export async function findProcessesOf(folder: string): Promise<FoundProcess[]> {
  const found = await Promise.all(
    (await listPids()).map(async (pid) => {
      const command = await readOf(pid, "cmdline");
      const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => "");
      const isOurs = [command, await readOf(pid, "environ"), cwd].some((text) => text.includes(folder));
      if (!isOurs || (await isZombie(pid))) return null;
      return { pid, command: command.replaceAll("\0", " ").trim() };
    }),
  );
  return found.filter((item) => item !== null);
}

async function findMountsOf(folder: string): Promise<string[]> {
  const seen = new Set<string>();
  const mounts = new Set<string>();
  for (const pid of [process.pid, ...(await listPids())]) {
    const namespace = await readlink(`/proc/${pid}/ns/mnt`).catch(() => null);
    if (namespace === null || seen.has(namespace)) continue;
    seen.add(namespace);
    for (const line of (await readOf(pid, "mountinfo")).split("\n")) {
      const point = line.split(" ")[4] ?? "";
      if (point.startsWith(folder)) mounts.add(point);
    }
  }
  return [...mounts].sort();
}

async function listFolder(folder: string): Promise<string[]> {
  return (await readdir(folder).catch((): string[] => [])).toSorted((left, right) =>
    left.localeCompare(right),
  );
}

/** Looks for everything that must be gone once a home's daemon has ended. */
export async function listLeftovers(root: string, canopyHome: string): Promise<Leftovers> {
  const left = {
    processes: await findProcessesOf(root),
    mounts: await findMountsOf(root),
    workspaces: await listFolder(join(canopyHome, "cache", "workspaces")),
    trash: await listFolder(join(canopyHome, "cache", "trash")),
  };
  return { ...left, isClean: Object.values(left).every((list) => list.length === 0) };
}

/** What `listLeftovers` answers when nothing is left. */
export const NOTHING_LEFT: Leftovers = {
  processes: [],
  mounts: [],
  workspaces: [],
  trash: [],
  isClean: true,
};
