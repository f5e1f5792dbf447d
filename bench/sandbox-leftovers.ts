import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { playLeftovers } from "../packages/workspace/src/sandbox/test-support/play-leftovers.ts";
import type { BenchResult } from "./bench-result.ts";
import { roundMs } from "./bench-result.ts";

const PER_ROUND = 50;

/** A thousand sandboxes (or as many as the argument says), two thirds of which are killed; what is left of them must be nothing. */
export async function run(args: readonly string[]): Promise<BenchResult> {
  const wanted = Number(args[0] ?? 1000);
  const rounds = Math.max(1, Math.round(wanted / PER_ROUND));
  const cacheDirectory = await realpath(await mkdtemp(join(tmpdir(), "canopy-left-")));
  try {
    const startedAt = performance.now();
    const play = { cacheDirectory, prefix: [], name: "bench", rounds, perRound: PER_ROUND };
    const { sandboxCount, recovered, before, after } = await playLeftovers(play);
    const row = (when: string, found: typeof after): string[] => [
      when,
      String(found.processes),
      String(found.mounts.length),
      String(found.namespaces),
      String(found.groups.length),
      String(found.files.length),
    ];
    return {
      name: "sandbox-leftovers",
      columns: ["when", "processes", "mounts", "namespaces", "control groups", "files"],
      rows: [row("before the first kill", before), row(`after ${sandboxCount} sandboxes`, after)],
      notes: [
        `a third disposed of, a third whose first process was killed, a third whose daemon was killed (${recovered.reduce((sum, each) => sum + each, 0)} taken over by the next one)`,
        `${roundMs((performance.now() - startedAt) / sandboxCount)} ms each, all in`,
      ],
    };
  } finally {
    await rm(cacheDirectory, { recursive: true, force: true });
  }
}
