import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { AgentEvent } from "@canopy/protocol";
import {
  EventCollector,
  createFakeChild,
  findEventFaults,
  readStreamFixture,
  spawnLocal,
} from "@canopy/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { AgentSession, AgentStartSpec, TurnResult } from "../agent-driver.ts";
import { createCommandDriver } from "./command-driver.ts";

let folder = "";
let sessions: AgentSession[] = [];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "canopy-command-"));
  sessions = [];
});

afterEach(async () => {
  for (const session of sessions) await session.close();
  await rm(folder, { recursive: true });
});

async function start(command: string, overrides: Partial<AgentStartSpec> = {}): Promise<AgentSession> {
  const session = await createCommandDriver({ name: "it", command, stopMs: 300 }).start({
    spawn: spawnLocal,
    cwd: folder,
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
  return session;
}

async function run(
  command: string,
  prompt = "",
  overrides: Partial<AgentStartSpec> = {},
): Promise<{ result: TurnResult; events: readonly AgentEvent[] }> {
  const session = await start(command, overrides);
  const collector = new EventCollector(session.events);
  const result = await session.prompt(prompt);
  await session.close();
  await collector.ended;
  expect(findEventFaults(collector.events)).toEqual([]);
  return { result, events: collector.events };
}

const TASK = {
  taskId: "tsk_1",
  title: "Add a parser",
  description: "Write it.",
  sessionId: "ses_1",
  workspace: "/work/copy",
};

test("the task is in the environment and the prompt on standard input", async () => {
  const command = "env | grep ^CANOPY_ | grep -v LOCAL_PROCESS | sort > env.txt; cat > prompt.txt";
  await run(command, "Do it.\n", { task: TASK, model: "small" });
  expect(await readFile(path.join(folder, "env.txt"), "utf8")).toBe(
    [
      "CANOPY_MODEL=small",
      "CANOPY_SESSION_ID=ses_1",
      "CANOPY_TASK_DESCRIPTION=Write it.",
      "CANOPY_TASK_ID=tsk_1",
      "CANOPY_TASK_TITLE=Add a parser",
      "CANOPY_WORKSPACE=/work/copy",
      "",
    ].join("\n"),
  );
  expect(await readFile(path.join(folder, "prompt.txt"), "utf8")).toBe("Do it.\n");
});

test("a description of 1 MB is cut in the environment and whole on standard input", async () => {
  const description = "ä".repeat(512 * 1024);
  const command = 'printf %s "$CANOPY_TASK_DESCRIPTION" | tail -c 52 > end.txt; cat > prompt.txt';
  const { result } = await run(command, description, { task: { ...TASK, description } });
  expect(result.reason).toBe("end_turn");
  expect(await readFile(path.join(folder, "end.txt"), "utf8")).toMatch(
    /\[cut by canopy: the full text is on standard input\]$/,
  );
  expect(await readFile(path.join(folder, "prompt.txt"), "utf8")).toBe(description);
});

test("output is the transcript, error output becomes notices", async () => {
  const { events, result } = await run("echo one; echo two; echo careful >&2");
  expect(events.filter((event) => event.type === "notice")).toEqual([
    { type: "notice", level: "info", text: "careful" },
  ]);
  const text = events.map((event) => (event.type === "message.done" ? event.text : "")).join("");
  expect(text).toBe("one\ntwo\n");
  expect(result).toMatchObject({ reason: "end_turn", error: null });
});

test("a system text goes in front of the prompt", async () => {
  const { result } = await run("cat", "the prompt", { systemAppend: "context" });
  expect(result.lastMessage).toBe("```canopy-context\ncontext\n```\n\nthe prompt\n");
});

test.each([
  ["exit 1", "failed", "crash", "agent.failed", true],
  ["exit 75", "failed", "rate-limit", "rate-limited", true],
  ["no-such-command-here", "failed", "bad-request", "agent.not-found", false],
  ["exit 126", "failed", "bad-request", "agent.not-found", false],
  ["kill -9 $$", "lost", "crash", "agent.failed", true],
] as const)("%s is %s: %s", async (command, ...expected) => {
  const [reason, kind, code, canRetry] = expected;
  const { result } = await run(command);
  expect(result.reason).toBe(reason);
  expect(result.error).toMatchObject({ kind, code, canRetry });
});

test("a crash tells the last words of both streams", async () => {
  const { result } = await run("echo out; echo err >&2; exit 2");
  expect(result.error?.message).toMatch(/^it ended with exit code 2; last output:\n(out\nerr|err\nout)$/);
});

test("bytes that are not UTF-8 are replaced", async () => {
  const { result } = await run(String.raw`printf 'a\377b\n'`);
  expect(result.lastMessage).toBe("a\u{fffd}b\n");
});

test("a line of 1 MB comes in pieces of at most 64 KB", async () => {
  const { events } = await run("head -c 1048576 /dev/zero | tr '\\0' x");
  const text = events.map((event) => (event.type === "message.done" ? event.text : "")).join("");
  expect(text.replaceAll("\n", "").length).toBe(1_048_576);
  expect(Math.max(...text.split("\n").map((line) => line.length))).toBe(64 * 1024);
});

test("a command that does not read its prompt is no failure", async () => {
  const { result } = await run("true", "p".repeat(2_000_000));
  expect(result.reason).toBe("end_turn");
});

test("a process left in the background with the pipe open does not keep the turn alive", async () => {
  const { result } = await run("sleep 600 & echo done");
  expect(result).toMatchObject({ reason: "end_turn", lastMessage: "done\n" });
});

test("a command whose output nobody reads is held back and its memory use is bounded", async () => {
  let printedBytes = 0;
  const line = Buffer.from(`${"x".repeat(999)}\n`);
  async function* flood(): AsyncGenerator<Uint8Array> {
    for (let count = 0; count < 100_000; count += 1) {
      printedBytes += line.length;
      yield line;
    }
  }
  const child = createFakeChild(flood());
  const session = await start("flood", { spawn: () => Promise.resolve(child) });
  const turn = session.prompt("");
  let before = -1;
  while (before !== printedBytes) {
    before = printedBytes;
    for (let round = 0; round < 50; round += 1) await new Promise(setImmediate);
  }
  expect(printedBytes).toBeGreaterThan(500_000);
  expect(printedBytes).toBeLessThan(2_000_000);
  const collector = new EventCollector(session.events);
  await collector.waitFor(() => printedBytes === 100_000_000);
  child.exit({ code: 0, signal: null });
  expect((await turn).reason).toBe("end_turn");
});

test("a command asks for no permissions and resumes nothing", async () => {
  const session = await start("true");
  expect(() => session.answerPermission("p", null)).toThrow(
    expect.objectContaining({ code: "thing.not-found" }),
  );
  await expect(start("true", { resume: { nativeSessionId: "x" } })).rejects.toMatchObject({
    data: { kind: "resume-unsupported" },
  });
});

test("a probe looks for the first word of the command", async () => {
  const spec = {
    spawn: spawnLocal,
    env: { PATH: `${folder}:/usr/bin:/bin` },
    signal: new AbortController().signal,
  };
  await writeFile(path.join(folder, "my-tool"), "#!/bin/sh\n", { mode: 0o755 });
  const probe = (command: string): Promise<unknown> =>
    createCommandDriver({ name: "x", command }).probe(spec);
  expect(await probe("my-tool --flag | tee log")).toEqual({
    installed: true,
    version: null,
    detail: path.join(folder, "my-tool"),
  });
  expect(await probe("no-such-tool")).toEqual({
    installed: false,
    version: null,
    detail: "no-such-tool is not on the PATH",
  });
  expect(await probe("A=1 my-tool")).toMatchObject({ installed: true });
});

test("a command that prints an agent's JSON lines is told in canonical events", async () => {
  await writeFile(path.join(folder, "stream.jsonl"), `${readStreamFixture("codex-mcp55.jsonl")}not json\n`);
  const driver = createCommandDriver({ name: "it", command: "cat stream.jsonl; exit 3", output: "codex" });
  const session = await driver.start({
    spawn: spawnLocal,
    cwd: folder,
    env: { PATH: process.env["PATH"] ?? "" },
    model: null,
    systemAppend: null,
    mcpServers: [],
    permissionPolicy: "allow-all",
    resume: null,
    task: null,
    signal: new AbortController().signal,
  });
  sessions.push(session);
  const collector = new EventCollector(session.events);
  const result = await session.prompt("");
  await session.close();
  await collector.ended;
  expect([result.lastMessage, result.usage.inputTokens, result.error?.kind]).toEqual([
    "done",
    20_553,
    "crash",
  ]);
  const types = collector.events.map((event) => event.type);
  expect(types.filter((type) => type.startsWith("tool") || type === "notice")).toEqual([
    "tool.started",
    "tool.ended",
    "notice",
  ]);
});
