// What Canopy adds to an agent: the same program and prompt, once read raw from its own output and once through its
// driver. Claude and Codex only: for the others the driver speaks ACP, which has no raw twin to compare with.
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { EventQueue, EventWriter, createModelScript, spawnLocal, startScriptedModel } from "@canopy/agents";
import type { ScriptedModel } from "@canopy/agents";
import { createRealAgentDriver, findRealAgent, launchRealAgent } from "@canopy/testkit";
import type { RealAgentName } from "@canopy/testkit";
import type { BenchResult } from "./bench-result.ts";
import { median, roundMs } from "./bench-result.ts";
import { percentileOf } from "./measure.ts";

const RUNS = 5;
const PROMPT = `go ${createModelScript([{ text: "ready steady go ".repeat(60) }])}`;

interface Measured {
  readonly openMs: number;
  readonly firstTextMs: number;
}

interface Place {
  readonly folder: string;
  readonly env: Record<string, string>;
}

async function createPlace(base: string): Promise<Place> {
  const folder = await mkdtemp(join(base, "run-"));
  for (const name of ["home", "tmp", "work"]) await mkdir(join(folder, name));
  const env = { PATH: process.env["PATH"] ?? "", HOME: join(folder, "home"), TMPDIR: join(folder, "tmp") };
  return { folder, env };
}

async function throughDriver(name: RealAgentName, place: Place, model: ScriptedModel): Promise<Measured> {
  const launch = launchRealAgent(name, findRealAgent(name) ?? "", model.url);
  const startedAt = performance.now();
  const session = await createRealAgentDriver(name, launch).start({
    spawn: spawnLocal,
    cwd: join(place.folder, "work"),
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
  await session.close();
  await reading;
  return { openMs, firstTextMs };
}

/** Claude run directly with the same flags; the first text is the first delta that it prints. */
async function claudeRaw(place: Place, model: ScriptedModel): Promise<Measured> {
  const { env } = launchRealAgent("claude", findRealAgent("claude") ?? "", model.url);
  const flags =
    "--print --verbose --input-format stream-json --output-format stream-json --include-partial-messages";
  const startedAt = performance.now();
  const child = spawn(findRealAgent("claude") ?? "", flags.split(" "), {
    cwd: join(place.folder, "work"),
    env: { ...place.env, ...env },
    stdio: ["pipe", "pipe", "ignore"],
  });
  const message = { role: "user", content: [{ type: "text", text: PROMPT }] };
  child.stdin.end(`${JSON.stringify({ type: "user", message, parent_tool_use_id: null, session_id: "" })}\n`);
  let text = "";
  let firstTextMs = 0;
  for await (const chunk of child.stdout.setEncoding("utf8")) {
    text += String(chunk);
    if (firstTextMs === 0 && text.includes("text_delta")) firstTextMs = performance.now() - startedAt;
  }
  return { openMs: 0, firstTextMs };
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

async function measure(
  label: string,
  once: (place: Place) => Promise<Measured>,
  base: string,
): Promise<(string | number)[][]> {
  const place = await createPlace(base);
  const cold = await once(place);
  const warm: Measured[] = [];
  for (let run = 0; run < RUNS; run += 1) warm.push(await once(place));
  const pick = (key: keyof Measured): number => roundMs(median(warm.map((one) => one[key])));
  return [
    [label, "cold", roundMs(cold.openMs), roundMs(cold.firstTextMs)],
    [label, "warm", pick("openMs"), pick("firstTextMs")],
  ];
}

/** Starts each installed agent a few times against a scripted model. */
export async function run(): Promise<BenchResult> {
  const cache = join(import.meta.dirname, "..", "node_modules", ".cache");
  await mkdir(cache, { recursive: true });
  const base = await mkdtemp(join(cache, "bench-agents-"));
  const model = await startScriptedModel();
  const rows: (string | number)[][] = [];
  try {
    if (findRealAgent("claude") !== null)
      rows.push(...(await measure("claude, run directly", (place) => claudeRaw(place, model), base)));
    for (const name of ["claude", "codex", "opencode", "gemini"] as const) {
      if (findRealAgent(name) === null) continue;
      rows.push(...(await measure(`${name}, by Canopy`, (place) => throughDriver(name, place, model), base)));
    }
  } finally {
    await model.close();
    await rm(base, { recursive: true, force: true, maxRetries: 5 });
  }
  const times = await eventTimes();
  const p99 = percentileOf(times, 0.99);
  return {
    name: "agents",
    columns: ["agent", "files", "session open ms", "first text ms"],
    rows,
    notes: [
      `Median of ${RUNS} warm runs; cold is the first in a fresh HOME (the program is in the file cache either way).`,
      `One tool event through writer and queue: p50 ${percentileOf(times, 0.5).toFixed(4)} ms, p99 ${p99.toFixed(4)} ms.`,
      "Memory is not measured: a session adds a few objects to a process of 200 to 700 MB.",
    ],
  };
}
