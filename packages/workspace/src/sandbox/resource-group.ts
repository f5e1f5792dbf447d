import { mkdir, readFile, readdir, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { waitUntil } from "../process-table.ts";
import type { SandboxLimits } from "./sandbox-settings.ts";

/** What the kernel counts and limits for all processes of a workspace together. */
export interface ResourceGroup extends AsyncDisposable {
  /** Files to write "0" to, which puts the writing process into the group. */
  readonly entries: readonly string[];
  /** Limits that this group holds; the others need another way. */
  readonly held: ReadonlySet<keyof SandboxLimits>;
  /** What was hit, such as `memory limit 4 GB`; null when nothing was. */
  describeHit(): Promise<string | null>;
}

const ROOT = "/sys/fs/cgroup";
const PERIOD_US = 100_000;

interface Part {
  readonly directory: string;
  readonly limit: keyof SandboxLimits;
  readonly values: Readonly<Record<string, string>>;
}

/** Bytes as people write them: `4 GB`, `256 MB`. */
export function formatLimit(bytes: number): string {
  const giga = bytes / 2 ** 30;
  return giga >= 1 ? `${Number(giga.toFixed(1))} GB` : `${Number((bytes / 2 ** 20).toFixed(1))} MB`;
}

/**
 * The rlimit of one process's memory where no control group counts all of them: a little more than the limit, so that whoever grows
 * beyond it is seen to, and named, before its allocations fail.
 */
export function dataRlimitBytes(memoryBytes: number): number {
  return Math.round(memoryBytes + Math.max(memoryBytes / 4, 2 ** 26));
}

function planParts(name: string, limits: SandboxLimits, isUnified: boolean): Part[] {
  const at = (controller: string): string => (isUnified ? join(ROOT, name) : join(ROOT, controller, name));
  const parts: Part[] = [];
  const { memoryBytes, processCount, cpuCount } = limits;
  if (memoryBytes !== undefined) {
    const bytes = String(memoryBytes);
    const values = isUnified
      ? { "memory.max": bytes, "memory.swap.max": "0", "memory.oom.group": "0" }
      : { "memory.limit_in_bytes": bytes };
    parts.push({ directory: at("memory"), limit: "memoryBytes", values });
  }
  if (processCount !== undefined)
    parts.push({
      directory: at("pids"),
      limit: "processCount",
      values: { "pids.max": String(processCount) },
    });
  if (cpuCount !== undefined) {
    const quota = String(Math.round(cpuCount * PERIOD_US));
    const values = isUnified
      ? { "cpu.max": `${quota} ${PERIOD_US}` }
      : { "cpu.cfs_period_us": String(PERIOD_US), "cpu.cfs_quota_us": quota };
    parts.push({ directory: at("cpu"), limit: "cpuCount", values });
  }
  return parts;
}

async function makePart({ directory, values }: Part): Promise<boolean> {
  try {
    await mkdir(directory, { recursive: true });
    for (const [file, value] of Object.entries(values)) await writeFile(join(directory, file), value);
    return true;
  } catch {
    await rmdir(directory).catch(() => undefined);
    return false;
  }
}

async function readCount(file: string, key: string): Promise<number> {
  const text = await readFile(file, "utf8").catch(() => "");
  return Number(new RegExp(`^${key} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
}

async function removePart(directory: string): Promise<void> {
  const tryOnce = (): Promise<boolean> =>
    rmdir(directory).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code === "ENOENT",
    );
  await waitUntil(tryOnce, 5_000);
}

/** Stands for control groups where there are none. */
export const NO_RESOURCE_GROUP: ResourceGroup = {
  entries: [],
  held: new Set(),
  describeHit: () => Promise.resolve(null),
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

/** Makes the control groups of a workspace, version 1 or 2, as far as this process may. What it may not is not `held`. */
export async function openResourceGroup(name: string, limits: SandboxLimits): Promise<ResourceGroup> {
  const controllers = await readFile(join(ROOT, "cgroup.controllers"), "utf8").catch(() => null);
  const isUnified = controllers !== null;
  const made: Part[] = [];
  for (const part of planParts(`canopy-${name}`, limits, isUnified))
    if (await makePart(part)) made.push(part);
  const directories = [...new Set(made.map(({ directory }) => directory))];
  const directoryOf = (limit: keyof SandboxLimits): string =>
    made.find((part) => part.limit === limit)?.directory ?? "";
  return {
    // A single thread that moves itself need not wait for all others to be out of the way: 0.1 ms instead of 10. Version 2 has no such file.
    entries: directories.map((directory) => join(directory, isUnified ? "cgroup.procs" : "tasks")),
    held: new Set(made.map(({ limit }) => limit)),
    async describeHit(): Promise<string | null> {
      const memory = join(directoryOf("memoryBytes"), isUnified ? "memory.events" : "memory.oom_control");
      if ((await readCount(memory, "oom_kill")) > 0)
        return `memory limit ${formatLimit(limits.memoryBytes ?? 0)}`;
      if ((await readCount(join(directoryOf("processCount"), "pids.events"), "max")) > 0)
        return `process limit ${limits.processCount ?? 0}`;
      return null;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await Promise.all(directories.map(removePart));
    },
  };
}

/** Where the groups of a workspace still are. */
export async function listGroupsOf(workspaceId: string): Promise<string[]> {
  const places = [ROOT, ...["memory", "pids", "cpu"].map((name) => join(ROOT, name))];
  const names = await Promise.all(places.map((place) => readdir(place).catch(() => [])));
  return places.flatMap((place, index) =>
    (names[index] ?? [])
      .filter((name) => name.startsWith(`canopy-${workspaceId}-`))
      .map((name) => join(place, name)),
  );
}

/** Removes the groups that a dead owner of a workspace left; nothing may run in them any more. */
export async function removeGroupsOf(workspaceId: string): Promise<void> {
  await Promise.all((await listGroupsOf(workspaceId)).map(removePart));
}
