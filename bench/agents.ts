// What Canopy adds to an agent: the same program and prompt, once run by hand and read raw, once through its driver, turn about,
// with the time to the first text and the memory of all processes that the session started.
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EventQueue, EventWriter, createModelScript, spawnLocal, startScriptedModel } from "@canopy/agents";
import type { ScriptedModel } from "@canopy/agents";
import { GEMINI_SETTINGS, createRealAgentDriver, findRealAgent, launchRealAgent } from "@canopy/testkit";
import type { RealAgentName } from "@canopy/testkit";
import { DIRECT } from "./agents-direct.ts";
import type { BenchResult } from "./bench-result.ts";
import { median, roundMs } from "./bench-result.ts";
import { percentileOf } from "./measure.ts";

const RUNS = 5;
const PROMPT = `go ${createModelScript([{ text: "ready steady go ".repeat(60) }])}`;

interface Measured {
  readonly openMs: number;
  readonly firstTextMs: number;
  readonly memoryMb: number;
}

interface Place {
  readonly folder: string;
  readonly home: string;
  readonly cwd: string;
  readonly env: Record<string, string>;
}

async function createPlace(base: string): Promise<Place> {
  const folder = await mkdtemp(join(base, "run-"));
  const [home, tmp, cwd] = [join(folder, "home"), join(folder, "tmp"), join(folder, "work")];
  for (const path of [join(home, ".gemini"), tmp, cwd]) await mkdir(path, { recursive: true });
  await writeFile(join(home, ".gemini", "settings.json"), GEMINI_SETTINGS);
  const env = { PATH: process.env["PATH"] ?? "", HOME: home, TMPDIR: tmp, TERM: "dumb" };
  return { folder, home, cwd, env };
}

/** Proportional set size of every process with this HOME: what is shared is counted once. */
async function measureMemoryMb(home: string): Promise<number> {
  let kilobytes = 0;
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const environment = await readFile(`/proc/${pid}/environ`, "latin1").catch(() => "");
    if (!environment.includes(`HOME=${home}\0`)) continue;
    const smaps = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
    kilobytes += Number(/^Pss:\s+(\d+)/m.exec(smaps)?.[1] ?? 0);
  }
  return Math.round(kilobytes / 1024);
}

async function throughDriver(name: RealAgentName, place: Place, model: ScriptedModel): Promise<Measured> {
  const launch = launchRealAgent(name, findRealAgent(name) ?? "", model.url);
  const startedAt = performance.now();
  const session = await createRealAgentDriver(name, launch).start({
    spawn: spawnLocal,
    cwd: place.cwd,
    env: { ...place.env, ...launch.env },
    model: launch.model,
    systemAppend: null,
    mcpServers: [],
    permissionPolicy: "allow-all",
    resume: null,
    task: null,
    signal: new AbortController().signal,
  });
  const openMs = performance.now() - startedAt;
  let firstTextMs = 0;
  const reading = (async () => {
    for await (const event of session.events)
      if (event.type === "message.delta" && firstTextMs === 0) firstTextMs = performance.now() - startedAt;
  })();
  await session.prompt(PROMPT);
  const memoryMb = await measureMemoryMb(place.home);
  await session.close();
  await reading;
  return { openMs, firstTextMs, memoryMb };
}

async function directly(name: RealAgentName, place: Place, model: ScriptedModel): Promise<Measured> {
  let memoryMb = 0;
  const { cwd, env, home } = place;
  const onEnd = async (): Promise<void> => {
    memoryMb = await measureMemoryMb(home);
  };
  const firstTextMs = await DIRECT[name]({ cwd, env, prompt: PROMPT, model, onEnd });
  return { openMs: Number.NaN, firstTextMs, memoryMb };
}

/** How long an event takes from the agent's line to the reader: mapping and queue, without the process. */
async function eventTimes(): Promise<number[]> {
  const times: number[] = [];
  const queue = new EventQueue();
  const writer = new EventWriter(queue);
  const events = queue[Symbol.asyncIterator]();
  for (let count = 0; count < 20_000; count += 1) {
    const before = performance.now();
    writer.tool(`tool-${count}`, { title: "t", state: "completed", output: "x".repeat(200) });
    await events.next();
    await events.next();
    times.push(performance.now() - before);
  }
  return times;
}

function row(name: string, files: string, direct: Measured, ours: Measured): (string | number)[] {
  const added = (key: "firstTextMs" | "memoryMb"): number => roundMs(ours[key] - direct[key]);
  return [
    name,
    files,
    roundMs(direct.firstTextMs),
    roundMs(ours.firstTextMs),
    added("firstTextMs"),
    direct.memoryMb,
    ours.memoryMb,
    added("memoryMb"),
  ];
}

function middle(all: readonly Measured[]): Measured {
  const pick = (key: keyof Measured): number => median(all.map((one) => one[key]));
  return { openMs: pick("openMs"), firstTextMs: pick("firstTextMs"), memoryMb: pick("memoryMb") };
}

async function measure(
  name: RealAgentName,
  model: ScriptedModel,
  base: string,
): Promise<(string | number)[][]> {
  const places = [await createPlace(base), await createPlace(base)] as const;
  const cold = [await directly(name, places[0], model), await throughDriver(name, places[1], model)] as const;
  const direct: Measured[] = [];
  const ours: Measured[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    direct.push(await directly(name, places[0], model));
    ours.push(await throughDriver(name, places[1], model));
  }
  return [row(name, "cold", ...cold), row(name, "warm", middle(direct), middle(ours))];
}

/** Starts each installed agent a few times against a scripted model, by hand and through its driver. */
export async function run(): Promise<BenchResult> {
  const cache = join(import.meta.dirname, "..", "node_modules", ".cache");
  await mkdir(cache, { recursive: true });
  const base = await mkdtemp(join(cache, "bench-agents-"));
  const model = await startScriptedModel();
  const rows: (string | number)[][] = [];
  try {
    for (const name of ["claude", "codex", "opencode", "gemini"] as const)
      if (findRealAgent(name) !== null) rows.push(...(await measure(name, model, base)));
  } finally {
    await model.close();
    await rm(base, { recursive: true, force: true, maxRetries: 5 });
  }
  const times = await eventTimes();
  const p99 = percentileOf(times, 0.99);
  return {
    name: "agents",
    columns: [
      "agent",
      "files",
      "first text by hand ms",
      "by Canopy ms",
      "added ms",
      "memory by hand MB",
      "by Canopy MB",
      "added MB",
    ],
    rows,
    notes: [
      `Median of ${RUNS} warm runs, turn about; cold is one run in a fresh HOME (the program is in the file cache either way).`,
      "Memory: proportional set size of all processes of the session after its turn; Canopy's own process is not in it.",
      "OpenCode has a bridge of its own beside its server, which is what reaches it inside a sandbox.",
      `One tool event through writer and queue: p50 ${percentileOf(times, 0.5).toFixed(4)} ms, p99 ${p99.toFixed(4)} ms.`,
    ],
  };
}
