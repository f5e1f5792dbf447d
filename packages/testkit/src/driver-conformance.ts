import { mkdir, mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { AgentDriver, AgentSession, AgentStartSpec } from "@canopy/agents";
import type { AgentErrorKind, AgentEvent, SpawnProcess } from "@canopy/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findEventFaults } from "./check-events.ts";
import { EventCollector } from "./collect-events.ts";
import { spawnLocal } from "@canopy/agents";

// What each scenario's agent does:
// - `say-prompt`: says what `createPrompt` was given
// - `edit`: writes `made.txt` with the content `made\n`
// - `permission`: asks once; writes `allowed.txt` when allowed and `denied.txt` when not
// - `stream-then-hang`, `tool-then-hang`: says something, or runs a tool, and then waits for a cancel
// - `deaf`: says something, then reacts to no cancel and no SIGTERM
// - `crash`: prints `boom` on standard error and ends with exit code 3
// - `flood`: says 100,000 lines of 99 characters
// - `orphan`: leaves a process in a session of its own behind
// - `missing`: a program that does not exist
// - `error:KIND`: fails with that class of error; with `rate-limit` it asks for a wait of 1,500 ms where it can

/** What the agent of a conformance test does: see the list above. */
export type ConformanceScenario =
  | "say-prompt"
  | "edit"
  | "permission"
  | "stream-then-hang"
  | "tool-then-hang"
  | "deaf"
  | "crash"
  | "flood"
  | "orphan"
  | "missing"
  | `error:${AgentErrorKind}`;

/** How the suite makes a driver play a scenario. */
export interface ConformanceHarness {
  /** `folder` is private to the test and outlives the agent; it is not the agent's working directory. */
  readonly createDriver: (
    scenario: ConformanceScenario,
    folder: string,
  ) => AgentDriver | Promise<AgentDriver>;
  /** The prompt that makes a `say-prompt` agent say the text. */
  readonly createPrompt: (text: string) => string;
  readonly hasTools: boolean;
  readonly hasPermissions: boolean;
  /** The classes of error that this driver can tell apart. */
  readonly errorKinds: readonly AgentErrorKind[];
  /** Default: `spawnLocal`. */
  readonly spawn?: SpawnProcess;
}

const FLOOD_LINES = 100_000;
const FLOOD_LINE_CHARS = 100;

interface Trial {
  readonly cwd: string;
  readonly collector: EventCollector;
  readonly session: AgentSession;
}

type StartTrial = (
  scenario: ConformanceScenario,
  overrides?: Partial<Pick<AgentStartSpec, "permissionPolicy" | "signal" | "task" | "systemAppend">>,
) => Promise<Trial>;

async function listProcesses(mark: string): Promise<string[]> {
  if (process.platform !== "linux") return [];
  const found: string[] = [];
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const environment = await readFile(`/proc/${entry}/environ`, "latin1").catch(() => "");
    if (environment.includes(mark))
      found.push(await readFile(`/proc/${entry}/cmdline`, "latin1").catch(() => entry));
  }
  return found;
}

function isSaying(event: AgentEvent): boolean {
  return event.type === "message.delta";
}

function typesOf(events: readonly AgentEvent[]): string[] {
  return events.map((event) => event.type);
}

function textOf(events: readonly AgentEvent[]): string {
  return events.map((event) => (event.type === "message.done" ? event.text : "")).join("");
}

async function finish(trial: Trial): Promise<readonly AgentEvent[]> {
  await trial.session.close();
  await trial.collector.ended;
  expect(findEventFaults(trial.collector.events)).toEqual([]);
  return trial.collector.events;
}

/** Gives each test a private folder and sessions in it; afterwards everything is closed and nothing may be left. */
function useTrials(harness: ConformanceHarness): StartTrial {
  let folder = "";
  let sessions: AgentSession[] = [];
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "canopy-conformance-"));
    sessions = [];
  });
  afterEach(async () => {
    for (const session of sessions) await session.close();
    const left = await listProcesses(`HOME=${folder}\0`);
    await rm(folder, { recursive: true, force: true });
    expect(left).toEqual([]);
  });
  return async (scenario, overrides = {}) => {
    const cwd = path.join(folder, "work");
    await mkdir(cwd, { recursive: true });
    const driver = await harness.createDriver(scenario, folder);
    const session = await driver.start({
      spawn: harness.spawn ?? spawnLocal,
      cwd,
      env: { PATH: process.env["PATH"] ?? "", HOME: folder },
      model: null,
      systemAppend: null,
      mcpServers: [],
      permissionPolicy: "allow-all",
      resume: null,
      task: null,
      signal: new AbortController().signal,
      ...overrides,
    });
    sessions.push(session);
    return { cwd, session, collector: new EventCollector(session.events) };
  };
}

function testTurns(harness: ConformanceHarness, start: StartTrial): void {
  test("a turn streams its message, closes it with the full text, and ends", async () => {
    const trial = await start("say-prompt");
    const result = await trial.session.prompt(harness.createPrompt("the quick brown fox jumps"));
    expect({ ...result, usage: null, lastMessage: result.lastMessage.trim() }).toEqual({
      reason: "end_turn",
      error: null,
      usage: null,
      lastMessage: "the quick brown fox jumps",
    });
    const events = await finish(trial);
    expect(events[0]?.type).toBe("session.started");
    expect(typesOf(events)).toContain("message.delta");
    expect(textOf(events).trim()).toBe("the quick brown fox jumps");
    expect(events.at(-1)).toEqual({ type: "turn.ended", reason: "end_turn" });
  });

  test("an edit lands in the working directory", async () => {
    const trial = await start("edit");
    const result = await trial.session.prompt("go");
    expect([result.reason, result.error]).toEqual(["end_turn", null]);
    expect(await readFile(path.join(trial.cwd, "made.txt"), "utf8")).toBe("made\n");
    const types = typesOf(await finish(trial));
    expect(types.includes("tool.ended")).toBe(harness.hasTools);
  });

  test("a second prompt waits for the first", async () => {
    const trial = await start("say-prompt");
    const results = await Promise.all(
      ["first", "second", "third"].map((text) => trial.session.prompt(harness.createPrompt(text))),
    );
    expect(results.map((result) => result.lastMessage.trim())).toEqual(["first", "second", "third"]);
    const events = await finish(trial);
    const order = events.filter((event) => event.type === "message.done" || event.type === "turn.ended");
    expect(order.map((event) => (event.type === "message.done" ? event.text.trim() : "|"))).toEqual([
      "first",
      "|",
      "second",
      "|",
      "third",
      "|",
    ]);
  });
}

function testSizes(harness: ConformanceHarness, start: StartTrial): void {
  test("a flood of 100,000 lines arrives whole", async () => {
    const trial = await start("flood");
    const result = await trial.session.prompt("go");
    expect(result.reason).toBe("end_turn");
    const events = await finish(trial);
    expect(textOf(events).length).toBe(FLOOD_LINES * FLOOD_LINE_CHARS);
  });

  test("a description of 1 MB does not keep the agent from starting", async () => {
    const description = "d".repeat(1024 * 1024);
    const task = {
      taskId: "tsk_1",
      title: "t",
      description,
      sessionId: "ses_1",
      workspace: "/w",
      attemptNumber: 1,
    };
    const trial = await start("say-prompt", { task });
    const result = await trial.session.prompt(harness.createPrompt("still here"));
    expect([result.reason, result.lastMessage.trim()]).toEqual(["end_turn", "still here"]);
    await finish(trial);
  });
}

function testPermissions(harness: ConformanceHarness, start: StartTrial): void {
  const answered = (events: readonly AgentEvent[]): unknown[] =>
    events
      .filter((event) => event.type === "permission.answered")
      .map((event) => ({ by: event.by, isRefused: event.optionId === null || event.optionId === "reject" }));

  test.runIf(harness.hasPermissions)("allow-all and deny-all answer by themselves", async () => {
    for (const policy of ["allow-all", "deny-all"] as const) {
      const trial = await start("permission", { permissionPolicy: policy });
      const result = await trial.session.prompt("go");
      expect(result.reason).toBe("end_turn");
      const isRefused = policy === "deny-all";
      expect(answered(await finish(trial))).toEqual([{ by: `policy:${policy}`, isRefused }]);
      const file = isRefused ? "denied.txt" : "allowed.txt";
      expect(await readdir(trial.cwd)).toContain(file);
    }
  });

  test.runIf(harness.hasPermissions)("ask waits for a person, who may allow or refuse", async () => {
    const answers = [
      { optionId: "allow", file: "allowed.txt" },
      { optionId: null, file: "denied.txt" },
    ];
    for (const { optionId, file } of answers) {
      const trial = await start("permission", { permissionPolicy: "ask" });
      const turn = trial.session.prompt("go");
      const asked = await trial.collector.waitFor((event) => event.type === "permission.asked");
      const requestId = asked.type === "permission.asked" ? asked.requestId : "";
      await expect(
        (async () => trial.session.answerPermission(requestId, "no-such"))(),
      ).rejects.toMatchObject({
        code: "request.invalid",
      });
      await trial.session.answerPermission(requestId, optionId, "ada");
      expect((await turn).reason).toBe("end_turn");
      await expect((async () => trial.session.answerPermission(requestId, null))()).rejects.toMatchObject({
        code: "thing.not-found",
      });
      expect(answered(await finish(trial))).toEqual([{ by: "ada", isRefused: optionId === null }]);
      expect(await readdir(trial.cwd)).toContain(file);
      await rm(trial.cwd, { recursive: true });
    }
  });

  test.runIf(harness.hasPermissions)("a cancel answers an open permission request", async () => {
    const trial = await start("permission", { permissionPolicy: "ask" });
    const turn = trial.session.prompt("go");
    await trial.collector.waitFor((event) => event.type === "permission.asked");
    await trial.session.cancel();
    expect([(await turn).reason, (await turn).error]).toEqual(["cancelled", null]);
    expect(answered(await finish(trial))).toEqual([{ by: "cancel", isRefused: true }]);
  });
}

function testCancel(harness: ConformanceHarness, start: StartTrial): void {
  test("a cancel in the middle of a message ends the turn and the prompts in line", async () => {
    const trial = await start("stream-then-hang");
    const turns = [trial.session.prompt("go"), trial.session.prompt("later")];
    await trial.collector.waitFor(isSaying);
    await trial.session.cancel();
    const results = await Promise.all(turns);
    expect(results.map(({ reason, error }) => [reason, error])).toEqual([
      ["cancelled", null],
      ["cancelled", null],
    ]);
    const events = await finish(trial);
    expect(events.filter((event) => event.type === "turn.ended")).toEqual([
      { type: "turn.ended", reason: "cancelled" },
    ]);
  });

  test("a cancel ends a running tool and what it started", async () => {
    const trial = await start("tool-then-hang");
    const turn = trial.session.prompt("go");
    await trial.collector.waitFor((event) =>
      harness.hasTools ? event.type === "tool.started" : isSaying(event),
    );
    await trial.session.cancel();
    expect((await turn).reason).toBe("cancelled");
    const events = await finish(trial);
    expect(typesOf(events).includes("tool.ended")).toBe(harness.hasTools);
  });

  test("an agent that ignores a cancel is stopped", async () => {
    const trial = await start("deaf");
    const turn = trial.session.prompt("go");
    await trial.collector.waitFor(isSaying);
    await trial.session.cancel();
    expect([(await turn).reason, (await turn).error]).toEqual(["cancelled", null]);
    await finish(trial);
  });

  test("a cancel without a turn does nothing", async () => {
    const trial = await start("say-prompt");
    await trial.session.cancel();
    const result = await trial.session.prompt(harness.createPrompt("fine"));
    expect([result.reason, result.lastMessage.trim()]).toEqual(["end_turn", "fine"]);
    await finish(trial);
  });
}

function testEnds(harness: ConformanceHarness, start: StartTrial): void {
  test("aborting the signal closes the session", async () => {
    const controller = new AbortController();
    const trial = await start("stream-then-hang", { signal: controller.signal });
    const turn = trial.session.prompt("go");
    await trial.collector.waitFor(isSaying);
    controller.abort();
    expect((await turn).reason).toBe("cancelled");
    await trial.collector.ended;
    expect(findEventFaults(trial.collector.events)).toEqual([]);
  });

  test("after close a prompt is answered as cancelled", async () => {
    const trial = await start("say-prompt");
    await finish(trial);
    const result = await trial.session.prompt(harness.createPrompt("too late"));
    expect([result.reason, result.error]).toEqual(["cancelled", null]);
  });

  test("a process that the agent left behind does not survive the close", async () => {
    const trial = await start("orphan");
    const result = await trial.session.prompt("go");
    expect(result.reason).toBe("end_turn");
    await finish(trial);
  });
}

function testFailures(harness: ConformanceHarness, start: StartTrial): void {
  test("a crash in the middle of a turn is told with its exit code and last words", async () => {
    const trial = await start("crash");
    const result = await trial.session.prompt("go");
    expect(["failed", "lost"]).toContain(result.reason);
    expect(result.error).toMatchObject({ kind: "crash", code: "agent.failed", canRetry: true });
    expect(result.error?.message).toMatch(/exit code 3[\s\S]*boom/);
    const events = await finish(trial);
    expect(typesOf(events).slice(-2)).toEqual(["error", "turn.ended"]);
  });

  test("a program that does not exist is a configuration error", async () => {
    const outcome = await start("missing").then(
      async (trial) => (await trial.session.prompt("go")).error,
      (error: unknown) => error,
    );
    expect(outcome).toMatchObject({ code: "agent.not-found" });
  });

  test.each([...harness.errorKinds])("tells the error class %s", async (kind) => {
    const trial = await start(`error:${kind}`);
    const result = await trial.session.prompt("go");
    expect(result.error?.kind).toBe(kind);
    expect(result.reason).toBe(kind === "refusal" ? "refusal" : "failed");
    const events = await finish(trial);
    expect(typesOf(events).slice(-2)).toEqual(["error", "turn.ended"]);
    const told = events.find((event) => event.type === "error");
    expect(told).toMatchObject({ kind });
  });

  test("aborting before the start starts nothing", async () => {
    await expect(start("say-prompt", { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "cancelled",
    });
  });
}

/** The suite that every agent driver passes. Needs Linux for the check that no process is left. */
export function describeDriverConformance(name: string, harness: ConformanceHarness): void {
  describe(`${name} driver`, () => {
    const start = useTrials(harness);
    testTurns(harness, start);
    testSizes(harness, start);
    testPermissions(harness, start);
    testCancel(harness, start);
    testEnds(harness, start);
    testFailures(harness, start);
  });
}
