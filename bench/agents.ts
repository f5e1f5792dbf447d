// What Canopy adds to an agent: the same program and prompt, once run by hand and read raw, once through its driver, turn about,
// with the time to the first text and the memory of all processes that the session started.
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  EventQueue,
  EventWriter,
  createModelScript,
  createToolBridge,
  spawnLocal,
  startScriptedModel,
} from "@canopy/agents";
import type { AgentMcpServer, AgentStartSpec, ScriptedModel } from "@canopy/agents";
import { brandId } from "@canopy/protocol";
import { createAgentToolServer } from "@canopy/server/mcp";
import {
  GEMINI_SETTINGS,
  createRealAgentDriver,
  findRealAgent,
  launchRealAgent,
  openTestHost,
} from "@canopy/testkit";
import type { RealAgentName } from "@canopy/testkit";
import { serveTools } from "../apps/daemon/src/sessions/serve-tools.ts";
import { DIRECT } from "./agents-direct.ts";
import { ROUNDS, RUN_TASKS, describeRuns } from "./agents-run.ts";
import type { BenchResult } from "./bench-result.ts";
import { median, roundMs } from "./bench-result.ts";
import { percentileOf } from "./measure.ts";

const RUNS = 5;
const PREPARED_MS = 1_000;
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

interface DriverRun {
  readonly mcpServers?: readonly AgentMcpServer[];
  /** Its process is there and waits before the clock starts. */
  readonly isPrepared?: boolean;
}

async function throughDriver(
  name: RealAgentName,
  place: Place,
  model: ScriptedModel,
  { mcpServers = [], isPrepared = false }: DriverRun = {},
): Promise<Measured> {
  const launch = launchRealAgent(name, findRealAgent(name) ?? "", model.url);
  const driver = createRealAgentDriver(name, launch);
  const spec: AgentStartSpec = {
    spawn: spawnLocal,
    cwd: place.cwd,
    env: { ...place.env, ...launch.env },
    model: launch.model,
    systemAppend: null,
    mcpServers,
    permissionPolicy: "allow-all",
    resume: null,
    task: null,
    signal: new AbortController().signal,
  };
  const prepared = isPrepared ? await driver.prepare?.(spec) : undefined;
  // What starts after its first answer has time for that while another agent works.
  if (prepared !== undefined) await delay(PREPARED_MS);
  const startedAt = performance.now();
  const session = await (prepared === undefined ? driver.start(spec) : prepared.open(spec));
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

function row(
  name: string,
  files: string,
  direct: Measured,
  [ours, withTools, prepared]: readonly [Measured, Measured, Measured],
): (string | number)[] {
  const added = (key: "firstTextMs" | "memoryMb"): number => roundMs(ours[key] - direct[key]);
  return [
    name,
    files,
    roundMs(direct.firstTextMs),
    roundMs(ours.firstTextMs),
    added("firstTextMs"),
    roundMs(withTools.firstTextMs - direct.firstTextMs),
    roundMs(prepared.firstTextMs),
    direct.memoryMb,
    ours.memoryMb,
    added("memoryMb"),
    roundMs(withTools.memoryMb - direct.memoryMb),
  ];
}

function middle(all: readonly Measured[]): Measured {
  const pick = (key: keyof Measured): number => median(all.map((one) => one[key]));
  return { openMs: pick("openMs"), firstTextMs: pick("firstTextMs"), memoryMb: pick("memoryMb") };
}

interface Bench {
  readonly base: string;
  readonly model: ScriptedModel;
  readonly tools: AgentMcpServer;
}

type Round = readonly [direct: Measured, ours: Measured, withTools: Measured, prepared: Measured];

async function measure(name: RealAgentName, { base, model, tools }: Bench): Promise<(string | number)[][]> {
  const place = (): Promise<Place> => createPlace(base);
  const places = [await place(), await place(), await place(), await place()] as const;
  const mcpServers = [tools];
  const once = async (): Promise<Round> => [
    await directly(name, places[0], model),
    await throughDriver(name, places[1], model),
    await throughDriver(name, places[2], model, { mcpServers }),
    await throughDriver(name, places[3], model, { mcpServers, isPrepared: true }),
  ];
  const cold = await once();
  const warm: Round[] = [];
  for (let run = 0; run < RUNS; run += 1) warm.push(await once());
  const middleOf = (index: 0 | 1 | 2 | 3): Measured => middle(warm.map((measured) => measured[index]));
  return [
    row(name, "cold", cold[0], [cold[1], cold[2], cold[3]]),
    row(name, "warm", middleOf(0), [middleOf(1), middleOf(2), middleOf(3)]),
  ];
}

/** Canopy's tools on a socket, as a session has them. */
async function openTools(folder: string): Promise<AsyncDisposable & { readonly server: AgentMcpServer }> {
  const stack = new AsyncDisposableStack();
  const host = stack.use(openTestHost());
  const project = host.addProject("bench");
  const tools = createAgentToolServer({
    host,
    log: { info: () => undefined, error: () => undefined },
    newToken: () => randomUUID(),
    newKey: () => randomUUID(),
    now: () => Date.now(),
    coordinate: () => Promise.resolve({ text: "" }),
  });
  const access = tools.grant({
    projectId: project.projectId,
    sessionId: brandId("session", "ses_bench"),
    taskId: null,
    permissions: { questions: "decide", question_wait: 0 },
    workspace: {
      runChecks: () => Promise.resolve([]),
      submit: () => undefined,
      park: () => undefined,
      finish: () => undefined,
    },
  });
  const listener = stack.use(await serveTools(tools, folder));
  const server = createToolBridge({ path: listener.path, token: access.token });
  return { server, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** Starts each installed agent a few times against a scripted model, by hand and through its driver. */
export async function run(): Promise<BenchResult> {
  const cache = join(import.meta.dirname, "..", "node_modules", ".cache");
  await mkdir(cache, { recursive: true });
  const base = await mkdtemp(join(cache, "bench-agents-"));
  const model = await startScriptedModel();
  await using tools = await openTools(base);
  const rows: (string | number)[][] = [];
  const runs: string[] = [];
  try {
    // One of them takes a minute; all take four.
    const only = process.env["CANOPY_BENCH_AGENT"];
    for (const name of (["claude", "codex", "opencode", "gemini"] as const).filter(
      (one) => only === undefined || only === one,
    ))
      if (findRealAgent(name) !== null) {
        rows.push(...(await measure(name, { model, base, tools: tools.server })));
        runs.push(await describeRuns(name, model));
      }
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
      "with tools ms",
      "prepared, with tools: first text ms",
      "memory by hand MB",
      "by Canopy MB",
      "added MB",
      "with tools MB",
    ],
    rows,
    notes: [
      `Median of ${RUNS} warm runs, turn about; cold is one run in a fresh HOME (the program is in the file cache either way).`,
      "Memory: proportional set size of all processes of the session after its turn; Canopy's own process is not in it.",
      "With tools: what Canopy adds when the agent also starts the bridge to Canopy's tools and asks for their list.",
      `Prepared: the process was started ${PREPARED_MS} ms or more before its session; from then to the first text, tools and all.`,
      "OpenCode has a bridge of its own beside its server, which is what reaches it inside a sandbox.",
      `\`canopy run -c 1\` of ${RUN_TASKS} tasks in the default sandbox, without / with agents that wait for theirs ([run] warm), the middle of ${ROUNDS}:`,
      ...runs,
      `One tool event through writer and queue: p50 ${percentileOf(times, 0.5).toFixed(4)} ms, p99 ${p99.toFixed(4)} ms.`,
    ],
  };
}
