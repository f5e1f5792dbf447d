import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { formatLimit } from "../sandbox/resource-group.ts";
import type { SandboxLimits } from "../sandbox/sandbox-settings.ts";
import type { FirstRlimit } from "./describe-container.ts";

/** Where the counts of control groups are below their mount, in version 1 and in version 2. */
const COUNTS = [
  { controller: "memory", file: "memory.oom_control", key: "oom_kill", limit: "memoryBytes" },
  { controller: "", file: "memory.events", key: "oom_kill", limit: "memoryBytes" },
  { controller: "pids", file: "pids.events", key: "max", limit: "processCount" },
  { controller: "", file: "pids.events", key: "max", limit: "processCount" },
] as const;

async function readCount(file: string, key: string): Promise<number> {
  const text = await readFile(file, "utf8").catch(() => "");
  return Number(new RegExp(`^${key} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
}

/** Files of the control groups of a running container, by what they count. Empty when it runs on another machine. */
export async function findCounts(
  firstPid: number,
): Promise<readonly (readonly [file: string, key: string, limit: "memoryBytes" | "processCount"])[]> {
  const text = await readFile(`/proc/${firstPid}/cgroup`, "utf8").catch(() => "");
  const paths = new Map(
    text.split("\n").map((line): [string, string] => {
      const [, controllers = "", path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
      return [controllers, path];
    }),
  );
  return COUNTS.flatMap(({ controller, file, key, limit }) => {
    const path = paths.get(controller);
    return path === undefined || path === "" || path === "/"
      ? []
      : [[join("/sys/fs/cgroup", controller, path, file), key, limit] as const];
  });
}

/** Which limit of a container was hit, by what its control groups counted. */
export async function describeCounts(
  counts: Awaited<ReturnType<typeof findCounts>>,
  limits: SandboxLimits,
): Promise<string | null> {
  for (const [file, key, limit] of counts) {
    const value = limits[limit];
    if (value === undefined || (await readCount(file, key)) === 0) continue;
    return limit === "memoryBytes" ? `memory limit ${formatLimit(value)}` : `process limit ${value}`;
  }
  return null;
}

/**
 * This process's own hard limits, as those of a container's first process: where an engine sets higher ones, as Podman does, and may not, no
 * container starts without them.
 */
export async function readOwnRlimits(): Promise<FirstRlimit[]> {
  const text = await readFile("/proc/self/limits", "utf8").catch(() => "");
  const read = (name: string, title: string, most: number): FirstRlimit[] => {
    const hard = new RegExp(`^${title}\\s+\\S+\\s+(\\d+)`, "m").exec(text)?.[1];
    const value = Math.min(most, Number(hard));
    return hard === undefined ? [] : [{ Name: name, Soft: value, Hard: value }];
  };
  // Podman leaves itself no more processes than there are process numbers.
  return [...read("nofile", "Max open files", 1_048_576), ...read("nproc", "Max processes", 32_768)];
}
