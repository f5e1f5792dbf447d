import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openWorkspaceStore, PROCESS_SETTINGS } from "@canopy/workspace";
import type { SandboxLevel, Workspace, WorkspaceStore } from "@canopy/workspace";
import { median, roundMs, timeMs } from "./bench-result.ts";
import type { BenchResult } from "./bench-result.ts";

const LEVELS: readonly SandboxLevel[] = ["none", "process", "sandbox"];
const ROUNDS = 15;
const BUILD_ROUNDS = 5;
const FILE_COUNT = 120;

async function writeProject(directory: string): Promise<void> {
  await mkdir(join(directory, "src"));
  const objects: string[] = [];
  for (let index = 0; index < FILE_COUNT; index += 1) {
    const body = `#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\nint f${index}(int x) { return x + ${index}; }\n`;
    await writeFile(join(directory, "src", `f${index}.c`), body);
    objects.push(`src/f${index}.o`);
  }
  const rules = `all: ${objects.join(" ")}\n%.o: %.c\n\tcc -O1 -c -o $@ $<\nclean:\n\trm -f src/*.o\n`;
  await writeFile(join(directory, "Makefile"), rules);
}

async function execute(workspace: Workspace, command: readonly [string, ...string[]]): Promise<void> {
  const handle = await workspace.spawn(command, { env: workspace.env });
  handle.endInput();
  for await (const _chunk of handle.stdout);
  const exit = await handle.exited;
  if (exit.code !== 0) throw new Error(`${command.join(" ")} ended with ${String(exit.code)}`);
}

async function create(store: WorkspaceStore, level: SandboxLevel, name: string): Promise<Workspace> {
  return await store.createWorkspace({
    workspaceId: name,
    project: { projectId: "prj_bench", name: "bench" },
    source: { commit: "bench", populate: writeProject },
    sandbox: {
      ...PROCESS_SETTINGS,
      level,
      network: "allowlist",
      hasToolCaches: true,
      limits: level === "sandbox" ? { processCount: 4096 } : {},
    },
  });
}

/** Other work on the machine moves the median; the best shows what it costs by itself. */
function withBest(samples: readonly number[]): string {
  return `${roundMs(median(samples))} (${roundMs(Math.min(...samples))})`;
}

/** Start-up and steady cost of each level against none, the levels taking turns. */
export async function run(): Promise<BenchResult> {
  const base = await realpath(await mkdtemp(join(tmpdir(), "canopy-bench-")));
  const store = await openWorkspaceStore({ cacheDirectory: join(base, "cache") });
  const samples = new Map(LEVELS.map((level) => [level, { make: [0], start: [0], build: [0] }]));
  try {
    await (await create(store, "none", "warm")).dispose();
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const level of LEVELS) {
        const sample = samples.get(level);
        if (sample === undefined) continue;
        let made: Workspace | undefined;
        const makeMs = await timeMs(
          async () => (made = await create(store, level, `bench-${level}-${round}`)),
        );
        const workspace = made;
        if (workspace === undefined) throw new Error("no workspace");
        const startMs = await timeMs(() => execute(workspace, ["true"]));
        sample.make[round] = makeMs;
        sample.start[round] = startMs;
        if (round < BUILD_ROUNDS)
          sample.build[round] = await timeMs(() => execute(workspace, ["make", "-j2", "all"]));
        await workspace.dispose();
      }
    }
  } finally {
    await store[Symbol.asyncDispose]();
    await rm(base, { recursive: true, force: true });
  }
  const none = samples.get("none")?.build ?? [];
  const rows = [...samples].map(([level, { make, start, build }]) => [
    level,
    withBest(make),
    withBest(start),
    withBest(build),
    `${((median(build) / median(none) - 1) * 100).toFixed(1)} %`,
  ]);
  return {
    name: "sandbox",
    columns: ["level", "create", "start a process", `build ${FILE_COUNT} C files`, "build against none"],
    rows,
    notes: [
      `median (and best) of ${ROUNDS} (builds: ${BUILD_ROUNDS}) rounds in which the levels take turns; workspaces: ${store.choice.backend}`,
    ],
  };
}
