import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { createModelScript, startResumed, startScriptedModel } from "@canopy/agents";
import type {
  AgentCapabilities,
  AgentModels,
  AgentSession,
  AgentStartSpec,
  ModelStep,
  PreparedAgent,
  ScriptedModel,
} from "@canopy/agents";
import type { AgentErrorKind, AgentEvent } from "@canopy/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { testFork, testImages, testModels } from "./capability-conformance.ts";
import { findEventFaults } from "./check-events.ts";
import { EventCollector } from "./collect-events.ts";
import { GEMINI_SETTINGS, createRealAgentDriver, findRealAgent, launchRealAgent } from "./real-agents.ts";
import type { RealAgentName } from "./real-agents.ts";
import { startMcpRecorder } from "./start-mcp-recorder.ts";
import { testRefusedSubAgents, testSubAgents } from "./sub-agent-conformance.ts";
import { spawnLocal } from "@canopy/agents";

/** A real agent at work against a scripted model, in folders of its own. */
export interface Trial {
  readonly cwd: string;
  readonly session: AgentSession;
  readonly isFresh: boolean;
  readonly collector: EventCollector;
}

type StartTrial = (overrides?: Partial<AgentStartSpec>, transcript?: readonly AgentEvent[]) => Promise<Trial>;
type Step = Parameters<typeof createModelScript>[0][number];

/** What differs between the agents, each with its reason where it is used. */
export interface RealAgentTraits {
  readonly errorKinds: Readonly<Partial<Record<AgentErrorKind, ModelStep["error"]>>>;
  /** True when the agent keeps its key from its tools. */
  readonly hidesKeys: boolean;
  /** True when the agent asks a person through its protocol. */
  readonly asksQuestions: boolean;
  /** True when the agent may start others below its own. */
  readonly startsAgents: boolean;
  /** True when the agent tells what its commands printed. */
  readonly tellsOutput: boolean;
  /** Some of the models that it lists. */
  readonly lists: readonly string[];
}

/** A folder, a scripted model, and ways to start the agent there. */
export interface Bench {
  readonly folder: string;
  readonly model: ScriptedModel;
  readonly start: StartTrial;
  /** Starts a process that waits, and says how it becomes a session. */
  readonly prepare: () => Promise<{
    readonly prepared: PreparedAgent;
    readonly open: (overrides: Partial<AgentStartSpec>) => Promise<Trial>;
  }>;
  readonly listModels: () => Promise<AgentModels | null>;
  /** What the driver says before anything is started. */
  readonly described: AgentCapabilities;
  readonly closeSessions: () => Promise<void>;
}

/** A prompt that makes the scripted model play these steps. */
export function say(...steps: Step[]): string {
  return `Do as the script says. ${createModelScript(steps)}`;
}

function answers(events: readonly AgentEvent[]): string[] {
  return events.flatMap((event) => (event.type === "permission.answered" ? [event.by] : []));
}

/** Fails when the events of a trial break the rules of the stream. */
export function wellFormed(trial: Trial): void {
  expect(findEventFaults(trial.collector.events)).toEqual([]);
}

async function processesOf(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const environment = await readFile(`/proc/${entry}/environ`, "latin1").catch(() => "");
    if (environment.includes(`HOME=${folder}`)) found.push(entry);
  }
  return found;
}

async function makeFolders(name: RealAgentName): Promise<{ folder: string; home: string; tmp: string }> {
  // Not below the temporary folder: codex refuses to have its home there.
  const base = path.join(process.cwd(), "node_modules", ".cache", "canopy-real-agents");
  await mkdir(base, { recursive: true });
  const folder = await mkdtemp(path.join(base, `${name}-`));
  const home = path.join(folder, "home");
  const tmp = path.join(folder, "tmp");
  await mkdir(path.join(home, ".gemini"), { recursive: true });
  await mkdir(tmp);
  await writeFile(path.join(home, ".gemini", "settings.json"), GEMINI_SETTINGS);
  return { folder, home, tmp };
}

async function openBench(name: RealAgentName, program: string): Promise<Bench> {
  const { folder, home, tmp } = await makeFolders(name);
  const model = await startScriptedModel();
  const launch = launchRealAgent(name, program, model.url);
  const driver = createRealAgentDriver(name, launch);
  let count = 0;
  const sessions: AgentSession[] = [];
  const closeSessions = async (): Promise<void> => {
    for (const session of sessions.splice(0)) await session.close();
  };
  const specOf = async (overrides: Partial<AgentStartSpec>): Promise<AgentStartSpec> => {
    count += 1;
    const cwd = overrides.cwd ?? path.join(folder, `work-${count}`);
    await mkdir(cwd, { recursive: true });
    return {
      spawn: spawnLocal,
      cwd,
      env: { PATH: process.env["PATH"] ?? "", HOME: home, TMPDIR: tmp, TERM: "dumb", ...launch.env },
      secretNames: Object.keys(launch.env),
      model: launch.model,
      systemAppend: null,
      mcpServers: [],
      permissionPolicy: "allow-all",
      resume: null,
      task: null,
      signal: new AbortController().signal,
      ...overrides,
    };
  };
  const start: StartTrial = async (overrides = {}, transcript = []) => {
    const spec = await specOf(overrides);
    const { cwd, resume } = spec;
    const started =
      resume === null
        ? { session: await driver.start(spec), isFresh: true }
        : await startResumed(driver, { ...spec, resume }, transcript);
    sessions.push(started.session);
    return { cwd, ...started, collector: new EventCollector(started.session.events) };
  };
  const prepare: Bench["prepare"] = async () => {
    const early = await specOf({});
    const prepared = await driver.prepare?.(early);
    if (prepared === undefined) throw new Error(`${name} cannot be prepared`);
    const open = async (overrides: Partial<AgentStartSpec>): Promise<Trial> => {
      const session = await prepared.open({ ...early, ...overrides });
      sessions.push(session);
      return { cwd: early.cwd, session, isFresh: true, collector: new EventCollector(session.events) };
    };
    return { prepared, open };
  };
  const listModels = async (): Promise<AgentModels | null> =>
    (await driver.listModels?.(await specOf({}))) ?? null;
  const described = driver.describe().capabilities;
  return { folder, model, start, prepare, listModels, described, closeSessions };
}

function testWork(bench: () => Bench, traits: RealAgentTraits): void {
  test("edits, runs a command, streams, counts, sees the system text, and takes prompts one by one", async () => {
    const trial = await bench().start({ systemAppend: "CANOPY-SYSTEM-MARK" });
    const first = trial.session.prompt(
      say(
        {
          text: "I write a file",
          tool: "write",
          args: { path: path.join(trial.cwd, "made.txt"), content: "made\n" },
        },
        { tool: "bash", args: { command: "env | grep -c sk-local > keys.txt; echo from-the-tool" } },
        { text: "the first is done" },
      ),
    );
    const second = trial.session.prompt(say({ text: "the second is done" }));
    const results = [await first, await second];
    expect(results.map(({ reason, error, lastMessage }) => [reason, error, lastMessage])).toEqual([
      ["end_turn", null, "the first is done"],
      ["end_turn", null, "the second is done"],
    ]);
    expect(await readFile(path.join(trial.cwd, "made.txt"), "utf8")).toBe("made\n");
    expect((await readFile(path.join(trial.cwd, "keys.txt"), "utf8")).trim() === "0").toBe(traits.hidesKeys);
    const { events } = trial.collector;
    const types = new Set(events.map((event) => event.type));
    expect(
      ["message.delta", "tool.started", "tool.ended", "usage"].filter((type) => !types.has(type as never)),
    ).toEqual([]);
    const outputs = events.flatMap((event) => (event.type === "tool.ended" ? [event.tool.output ?? ""] : []));
    expect(
      outputs.some((output) => output.includes("from-the-tool\n") || output.endsWith("from-the-tool")),
    ).toBe(traits.tellsOutput);
    expect(results[1]?.usage.inputTokens).toBeGreaterThan(0);
    expect(results[1]?.usage.outputTokens).toBeGreaterThan(0);
    expect(results[1]?.usage.costUsd !== null).toBe(bench().described.cost === true);
    const asked = bench().model.requests.filter((request) => request.stepIndex !== null);
    expect(JSON.stringify(asked)).toContain("CANOPY-SYSTEM-MARK");
    await trial.session.close();
    await trial.collector.ended;
    wellFormed(trial);
  });
}

function testPermissions(bench: () => Bench): void {
  test("asks for leave: allowed, refused, and cancelled while the question is open", async () => {
    const trial = await bench().start({ permissionPolicy: "ask" });
    const command = (file: string): string =>
      say({ tool: "bash", args: { command: `touch ${file}` } }, { text: "went on" });
    const ask = async (file: string, optionId: string | null): Promise<void> => {
      const before = answers(trial.collector.events).length;
      const turn = trial.session.prompt(command(file));
      const asked = await trial.collector.waitFor(
        (event) => event.type === "permission.asked" && event.requestId === `permission-${before + 1}`,
      );
      if (asked.type !== "permission.asked") throw new Error("no permission was asked");
      const allow = asked.options.find((option) => option.kind === "allow_once")?.optionId ?? null;
      await trial.session.answerPermission(asked.requestId, optionId === null ? null : allow, "ada");
      await turn;
    };
    await ask("allowed.txt", "allow");
    await ask("refused.txt", null);
    const turn = trial.session.prompt(command("cancelled.txt"));
    await trial.collector.waitFor(
      (event) => event.type === "permission.asked" && event.requestId === "permission-3",
    );
    await trial.session.cancel();
    expect([(await turn).reason, (await turn).error]).toEqual(["cancelled", null]);
    expect(answers(trial.collector.events)).toEqual(["ada", "ada", "cancel"]);
    expect((await readdir(trial.cwd)).filter((file) => file.endsWith(".txt"))).toEqual(["allowed.txt"]);
    const after = await trial.session.prompt(say({ text: "still here" }));
    expect([after.reason, after.lastMessage]).toEqual(["end_turn", "still here"]);
    await trial.session.close();
    await trial.collector.ended;
    wellFormed(trial);
  });
}

function testCancel(bench: () => Bench): void {
  test("a cancel ends a stream and a tool with what it started; the session goes on", async () => {
    const trial = await bench().start();
    const stream = trial.session.prompt(say({ text: "a slow answer that never ends", hang: true }));
    await trial.collector.waitFor((event) => event.type === "message.delta");
    await trial.session.cancel();
    expect([(await stream).reason, (await stream).error]).toEqual(["cancelled", null]);
    await expect
      .poll(() => bench().model.requests.some((request) => request.end === "aborted-by-client"))
      .toBe(true);
    // A process that left its group and session, as tools do that start servers.
    const command =
      "setsid nohup sleep 71 >/dev/null 2>&1 & touch begun.txt; for i in 1 2 3 4 5 6 7 8 9; do sleep 71; done";
    const tool = trial.session.prompt(say({ tool: "bash", args: { command } }, { text: "never said" }));
    await expect.poll(() => readdir(trial.cwd), { timeout: 20_000 }).toContain("begun.txt");
    await trial.session.cancel();
    expect((await tool).reason).toBe("cancelled");
    const after = await trial.session.prompt(say({ text: "still here" }));
    expect([after.reason, after.lastMessage]).toEqual(["end_turn", "still here"]);
    await trial.session.close();
    await trial.collector.ended;
    wellFormed(trial);
    expect(await processesOf(bench().folder)).toEqual([]);
  });
}

function testErrors(bench: () => Bench, traits: RealAgentTraits): void {
  test("tells the classes of error apart", async () => {
    const trial = await bench().start();
    const told: Record<string, unknown> = {};
    for (const [kind, error] of Object.entries(traits.errorKinds)) {
      const result = await trial.session.prompt(say({ error }));
      told[kind] = result.error?.kind ?? result.reason;
    }
    expect(told).toEqual(Object.fromEntries(Object.keys(traits.errorKinds).map((kind) => [kind, kind])));
    // An agent that cannot tell a refusal ends its turn as if nothing were.
    const canTell = trial.session.capabilities.refusal === true;
    for (const stop of ["refusal", "content_filter"] as const) {
      const steps = Array.from({ length: 6 }, () => ({ text: "I will not", stop }));
      const { reason, error } = await trial.session.prompt(say(...steps));
      expect([stop, reason, error?.kind ?? null]).toEqual(
        canTell ? [stop, "refusal", "refusal"] : [stop, "end_turn", null],
      );
    }
    await trial.session.close();
    await trial.collector.ended;
    wellFormed(trial);
  });
}

function testQuestions(bench: () => Bench): void {
  test("a question reaches a person and the answer reaches the model", async () => {
    const trial = await bench().start({ permissionPolicy: "ask" });
    const turn = trial.session.prompt(
      say({ tool: "ask", args: { question: "Shall it be blue?" } }, { text: "thank you" }),
    );
    const asked = await trial.collector.waitFor((event) => event.type === "question.asked");
    if (asked.type !== "question.asked") throw new Error("no question was asked");
    expect(asked.text).toBe("Shall it be blue?");
    await trial.session.answerQuestion(asked.requestId, "CANOPY-ANSWER-BLUE", "ada");
    expect((await turn).lastMessage).toBe("thank you");
    await trial.session.close();
    await trial.collector.ended;
    wellFormed(trial);
  });
}

function testTools(bench: () => Bench): void {
  test("calls a tool of an MCP server over HTTP, with the session's token", async () => {
    const recorder = await startMcpRecorder();
    const headers = { Authorization: "Bearer session-token-1" };
    const server = { type: "http" as const, name: "canopy", url: recorder.url, headers };
    const trial = await bench().start({ mcpServers: [server] });
    const result = await trial.session.prompt(
      say({ tool: "mcp:canopy:note", args: { text: "hello from inside" } }, { text: "noted it" }),
    );
    expect([result.reason, result.error, result.lastMessage]).toEqual(["end_turn", null, "noted it"]);
    expect(recorder.calls).toEqual([{ authorization: "Bearer session-token-1", text: "hello from inside" }]);
    const ended = trial.collector.events.filter((event) => event.type === "tool.ended");
    expect(ended.map((event) => event.tool.state)).toEqual(["completed"]);
    await trial.session.close();
    await trial.collector.ended;
    wellFormed(trial);
    await recorder.close();
  });
}

function testPrepared(bench: () => Bench): void {
  test("waits in a process for its session, then knows its system text, tools and rules; or ends unused", async () => {
    const { folder, model, prepare } = bench();
    const recorder = await startMcpRecorder();
    const headers = { Authorization: "Bearer session-token-2" };
    const server = { type: "http" as const, name: "canopy", url: recorder.url, headers };
    const before = model.requests.length;
    const { prepared, open } = await prepare();
    const trial = await open({
      systemAppend: "CANOPY-LATE-MARK",
      mcpServers: [server],
      permissionPolicy: {
        rules: [{ decision: "deny", title: "*refused.txt*" }],
        otherwise: "allow",
        askMs: 1,
      },
    });
    const result = await trial.session.prompt(
      say(
        { tool: "mcp:canopy:note", args: { text: "told late" } },
        { tool: "bash", args: { command: "touch allowed.txt" } },
        { tool: "bash", args: { command: "touch refused.txt" } },
      ),
    );
    // Some go on after a refusal, some end their turn.
    expect([result.reason, result.error]).toEqual(["end_turn", null]);
    expect(recorder.calls).toEqual([{ authorization: "Bearer session-token-2", text: "told late" }]);
    expect((await readdir(trial.cwd)).filter((file) => file.endsWith(".txt"))).toEqual(["allowed.txt"]);
    const asked = model.requests.slice(before).filter((request) => request.stepIndex !== null);
    expect(JSON.stringify(asked)).toContain("CANOPY-LATE-MARK");
    // It became a session: this ends nothing.
    await prepared[Symbol.asyncDispose]();
    expect((await trial.session.prompt(say({ text: "still here" }))).lastMessage).toBe("still here");
    await trial.session.close();
    await trial.collector.ended;
    wellFormed(trial);
    await recorder.close();
    const unused = await prepare();
    expect((await processesOf(folder)).length).toBeGreaterThan(0);
    await unused.prepared[Symbol.asyncDispose]();
    await unused.prepared.exited;
    expect(await processesOf(folder)).toEqual([]);
  });
}

function testResume(bench: () => Bench): void {
  test("after a SIGKILL the turn is lost, nothing is left, and the session can be resumed", async () => {
    const { folder, model, start } = bench();
    const trial = await start();
    await trial.session.prompt(say({ text: "CANOPY-REMEMBERED" }));
    const turn = trial.session.prompt(say({ text: "half of an answer", hang: true }));
    await trial.collector.waitFor((event) => event.type === "message.delta" && event.text.startsWith("half"));
    for (const pid of await processesOf(folder)) process.kill(Number(pid), "SIGKILL");
    expect([(await turn).reason, (await turn).error?.kind]).toEqual(["lost", "crash"]);
    await trial.session.close();
    await trial.collector.ended;
    wellFormed(trial);
    const nativeSessionId = trial.session.nativeSessionId ?? "";
    const resumed = await start({ cwd: trial.cwd, resume: { nativeSessionId } }, trial.collector.events);
    expect(resumed.isFresh).toBe(trial.session.capabilities.resume !== true);
    const before = model.requests.length;
    const result = await resumed.session.prompt(say({ text: "resumed" }));
    expect([result.reason, result.lastMessage]).toEqual(["end_turn", "resumed"]);
    const asked = model.requests.slice(before).filter((request) => request.stepIndex !== null);
    expect(JSON.stringify(asked)).toContain("CANOPY-REMEMBERED");
    await resumed.session.close();
    await resumed.collector.ended;
    wellFormed(resumed);
    expect(await processesOf(folder)).toEqual([]);
  });
}

/** The suite that every driver passes against the agent's real program; skipped by name when it is not installed. */
export function describeRealAgent(name: RealAgentName, traits: RealAgentTraits): void {
  const program = findRealAgent(name);
  describe.skipIf(program === null)(`the real ${name}`, () => {
    let bench: Bench;
    const current = (): Bench => bench;
    beforeAll(async () => {
      bench = await openBench(name, program ?? "");
    });
    afterEach(() => bench.closeSessions());
    afterAll(async () => {
      await bench.model.close();
      await rm(bench.folder, { recursive: true, force: true });
    });
    testWork(current, traits);
    testPermissions(current);
    testCancel(current);
    testTools(current);
    testPrepared(current);
    testErrors(current, traits);
    if (traits.asksQuestions) testQuestions(current);
    if (traits.startsAgents) testSubAgents(name, current);
    else testRefusedSubAgents(name, current);
    testResume(current);
    testModels(current, traits);
    testImages(current);
    testFork(current);
  });
}
