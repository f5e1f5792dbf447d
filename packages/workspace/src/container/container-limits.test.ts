import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeCounts } from "./container-limits.ts";

test("what a container's control groups counted names its limits", async () => {
  const folder = await mkdtemp(join(tmpdir(), "canopy-counts-"));
  try {
    const memory = join(folder, "memory.events");
    const pids = join(folder, "pids.events");
    await writeFile(memory, "low 0\noom 3\noom_kill 0\n");
    await writeFile(pids, "max 0\n");
    const counts = [
      [memory, "oom_kill", "memoryBytes"],
      [pids, "max", "processCount"],
    ] as const;
    const limits = { memoryBytes: 2 ** 30, processCount: 60 };
    expect(await describeCounts(counts, limits)).toBe(null);
    await writeFile(pids, "max 7\n");
    expect(await describeCounts(counts, limits)).toBe("process limit 60");
    await writeFile(memory, "low 0\noom 3\noom_kill 1\n");
    expect(await describeCounts(counts, limits)).toBe("memory limit 1 GB");
    expect(await describeCounts(counts, {})).toBe(null);
  } finally {
    await rm(folder, { recursive: true });
  }
});
