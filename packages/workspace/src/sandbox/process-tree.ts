import { readFileSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { NamespaceHolder } from "../namespace-holder.ts";
import { findMarked, listChildren, sendSignal } from "../process-table.ts";

/** What a workspace's processes take at one moment. */
export interface TreeUsage {
  /** Threads of all processes, as the kernel's own limits count them. */
  readonly taskCount: number;
  /** Memory of all of them; what several share is counted for each. */
  readonly residentBytes: number;
  /** Processor time that they and those that they waited for had so far. */
  readonly cpuMs: number;
}

/** All processes of a workspace, looked at from outside. */
export interface ProcessTree {
  /** How long to wait at most between two looks: where they cost much, longer. */
  readonly slowestLookMs: number;
  read(): Promise<TreeUsage>;
  /** Memory of all of them, what several share counted once. Slower. */
  readProportionalBytes(): Promise<number>;
  /** What files on disks take that have no name any more but are open. */
  readRemovedBytes(): Promise<number>;
  /** Stops all processes, or lets them go on when nobody else wants them stopped. */
  setPaused(isPaused: boolean): Promise<void>;
}

/** Where the processes are found. */
export interface TreePlace {
  /** A proc file system. */
  readonly proc: string;
  /** Their numbers in it. */
  listPids(): number[] | Promise<number[]>;
  /** Process 1 when it is Canopy's: only the processor time counts of those that it waited for. */
  readonly ownPid: number | null;
  readonly slowestLookMs: number;
  /** How many others of Canopy's are there. */
  readonly ownCount: number;
  setPaused(isPaused: boolean): Promise<void>;
}

/** Of x86-64 and of every 64-bit kernel that reports in them: `getconf CLK_TCK`, `getconf PAGESIZE`. */
const TICK_MS = 10;
const PAGE_BYTES = 4096;

interface Sample {
  readonly cpuMs: number;
  readonly taskCount: number;
  readonly residentBytes: number;
}

/** Reads a line of `/proc/PID/stat`; null when it is none. */
export function parseUsage(text: string): Sample | null {
  // The name is in brackets and may hold anything, brackets included.
  const close = text.lastIndexOf(")");
  const fields = text
    .slice(close + 2)
    .split(" ")
    .map(Number);
  const at = (index: number): number => fields[index] ?? Number.NaN;
  if (close < 0 || Number.isNaN(at(21))) return null;
  return {
    cpuMs: (at(11) + at(12) + at(13) + at(14)) * TICK_MS,
    taskCount: at(17),
    residentBytes: at(21) * PAGE_BYTES,
  };
}

/** Without a promise for each file: these are answered from memory, and a look at a hundred processes must cost next to nothing. */
function readNow(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

/** The numbers in a proc file system, now. */
export function listPidsNow(proc: string): number[] {
  try {
    return readdirSync(proc)
      .map(Number)
      .filter((pid) => Number.isInteger(pid) && pid > 0);
  } catch {
    return [];
  }
}

/** Of the kernel's own making, or in memory: no disk holds them. */
const NOT_ON_DISK = /^\/(memfd:|dev\/|SYSV|\[)/;
const BLOCK_BYTES = 512;

function listRemoved(folder: string): { readonly key: string; readonly bytes: number }[] {
  try {
    return readdirSync(folder).flatMap((name) => {
      const path = `${folder}/${name}`;
      const target = readLinkNow(path);
      if (!target.endsWith(" (deleted)") || NOT_ON_DISK.test(target)) return [];
      const info = statSync(path, { throwIfNoEntry: false });
      if (info === undefined || !info.isFile() || info.nlink > 0) return [];
      return [{ key: `${info.dev}:${info.ino}`, bytes: info.blocks * BLOCK_BYTES }];
    });
  } catch {
    // The process has ended.
    return [];
  }
}

function readLinkNow(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

/** Looks at the processes of a place. What ends while it looks is not counted. */
export function createProcessTree(place: TreePlace): ProcessTree {
  const { proc } = place;
  const list = async (): Promise<{ readonly pid: number; readonly sample: Sample }[]> =>
    (await place.listPids()).flatMap((pid) => {
      const sample = parseUsage(readNow(`${proc}/${pid}/stat`));
      return sample === null ? [] : [{ pid, sample }];
    });
  return {
    slowestLookMs: place.slowestLookMs,
    async read() {
      let [taskCount, residentBytes, cpuMs] = [-place.ownCount, 0, 0];
      for (const { pid, sample } of await list()) {
        cpuMs += sample.cpuMs;
        if (pid === place.ownPid) continue;
        taskCount += sample.taskCount;
        residentBytes += sample.residentBytes;
      }
      return { taskCount, residentBytes, cpuMs };
    },
    async readProportionalBytes() {
      const found = (await list()).filter(({ pid }) => pid !== place.ownPid);
      const sizes = await Promise.all(
        found.map(async ({ pid, sample }) => {
          const text = await readFile(`${proc}/${pid}/smaps_rollup`, "latin1").catch(() => "");
          const kilobytes = /^Pss:\s+(\d+) kB$/m.exec(text)?.[1];
          return kilobytes === undefined ? sample.residentBytes : Number(kilobytes) * 1024;
        }),
      );
      return sizes.reduce((sum, size) => sum + size, 0);
    },
    async readRemovedBytes() {
      const sizes = new Map<string, number>();
      for (const pid of await place.listPids())
        for (const file of listRemoved(`${proc}/${pid}/fd`)) sizes.set(file.key, file.bytes);
      return [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
    },
    setPaused: (isPaused) => place.setPaused(isPaused),
  };
}

/** The processes of a workspace without a namespace: those with its mark and what they started. */
export function createMarkedTree(marker: string): ProcessTree {
  return createProcessTree({
    proc: "/proc",
    listPids: () => findMarked(marker),
    ownPid: null,
    ownCount: 0,
    // The environment of every process of the machine is read for each.
    slowestLookMs: 5_000,
    async setPaused(isPaused) {
      for (const pid of await findMarked(marker)) sendSignal(pid, isPaused ? "SIGSTOP" : "SIGCONT");
    },
  });
}

/** nsenter stands still when what it waits for does, and nobody inside can wake it up: it is a child of this process. */
async function wakeEntryPrograms(): Promise<void> {
  for (const pid of await listChildren(process.pid)) {
    if (/\) T /.test(readNow(`/proc/${pid}/stat`))) sendSignal(pid, "SIGCONT");
  }
}

/** The processes of a mounted workspace without a sandbox. */
export function createNamespaceTree(holder: NamespaceHolder): ProcessTree {
  const proc = `${holder.root}/proc`;
  let isPaused = false;
  const tree = createProcessTree({
    proc,
    listPids: () => listPidsNow(proc),
    // The other is the one that waits for the daemon's end.
    ownPid: 1,
    ownCount: 1,
    slowestLookMs: 1_000,
    async setPaused(isWanted) {
      isPaused = isWanted;
      await holder.signalAll(isWanted ? "STOP" : "CONT");
      if (!isWanted) await wakeEntryPrograms();
    },
  });
  return {
    ...tree,
    async read() {
      // It may have fallen asleep after it was woken.
      if (!isPaused) await wakeEntryPrograms();
      return await tree.read();
    },
  };
}

/**
 * Counts who wants processes to stand still: they go on when the last one does not. One after the other, so that whoever lets them go
 * on never does so after somebody else was told that they stand.
 */
export function createPause(signalAll: (name: "STOP" | "CONT") => Promise<void>): ProcessTree["setPaused"] {
  let count = 0;
  let last = Promise.resolve();
  const set = async (before: Promise<void>, isPaused: boolean): Promise<void> => {
    await before;
    count += isPaused ? 1 : -1;
    if (isPaused) await signalAll("STOP");
    else if (count === 0) await signalAll("CONT");
  };
  return (isPaused) => {
    last = set(last, isPaused);
    return last;
  };
}
