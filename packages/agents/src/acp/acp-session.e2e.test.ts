import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { AgentEvent } from "@canopy/protocol";
import { EventCollector, findEventFaults, spawnLocal } from "@canopy/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { AgentSession, AgentStartSpec } from "../agent-driver.ts";
import { createScriptedCommand } from "../scripted/scripted-driver.ts";
import { createAcpDriver } from "./acp-driver.ts";
import type { AcpDriverOptions } from "./acp-driver.ts";

let folder = "";
let sessions: AgentSession[] = [];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "canopy-acp-"));
  sessions = [];
});

afterEach(async () => {
  for (const session of sessions) await session.close();
  await rm(folder, { recursive: true });
});

const GRACES = { cancelMs: 300, endInputMs: 300, stopMs: 300 };

interface Setup {
  readonly script?: object;
  readonly spec?: Partial<AgentStartSpec>;
  readonly options?: Partial<AcpDriverOptions>;
}

async function start(setup: Setup): Promise<{ session: AgentSession; collector: EventCollector }> {
  const file = path.join(folder, "script.json");
  await writeFile(file, JSON.stringify({ version: 1, ...setup.script }));
  const command = createScriptedCommand(file);
  const session = await createAcpDriver({ name: "agent", command, graces: GRACES, ...setup.options }).start({
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
    ...setup.spec,
  });
  sessions.push(session);
  return { session, collector: new EventCollector(session.events) };
}

/** An agent of a few lines that answers by its own rules; the code sees `method`, `id`, `params` and `send`. */
function handWritten(code: string): readonly [string, ...string[]] {
  const source = `
    const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\\n");
    const answer = (id, result) => send({ id, result });
    require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
      const { id, method, params } = JSON.parse(line);
      if (method === "initialize") return answer(id, { protocolVersion: 1, agentCapabilities: {} });
      ${code}
      if (method === "session/new") return answer(id, { sessionId: "s" });
      if (method === "session/prompt") return answer(id, { stopReason: "end_turn" });
    }).on("close", () => process.exit());`;
  return [process.execPath, "-e", source];
}

function ofType<T extends AgentEvent["type"]>(
  events: readonly AgentEvent[],
  type: T,
): Extract<AgentEvent, { type: T }>[] {
  return events.filter((event): event is Extract<AgentEvent, { type: T }> => event.type === type);
}

test("the session tells its id and model first, and usage adds up over turns", async () => {
  const steps = [{ usage: { inputTokens: 10, outputTokens: 2, cacheReadTokens: 1, costUsd: 0.25 } }];
  const { session, collector } = await start({ script: { steps } });
  await session.prompt("one");
  const { usage } = await session.prompt("two");
  expect(usage).toEqual({
    inputTokens: 20,
    outputTokens: 4,
    cacheReadTokens: 2,
    cacheWriteTokens: 0,
    costUsd: 0.5,
  });
  await session.close();
  await collector.ended;
  expect(collector.events.slice(0, 2)).toEqual([
    { type: "session.started", nativeSessionId: session.nativeSessionId },
    { type: "model.changed", model: "scripted-1" },
  ]);
  expect(ofType(collector.events, "usage").at(-1)).toEqual({ type: "usage", usage });
});

test("a model is chosen; one that the agent does not have is a configuration error that lists what it has", async () => {
  const { session, collector } = await start({ spec: { model: "scripted-2" } });
  await collector.waitFor((event) => event.type === "model.changed");
  expect(ofType(collector.events, "model.changed")).toEqual([{ type: "model.changed", model: "scripted-2" }]);
  await session.close();
  await expect(start({ spec: { model: "gpt-9" } })).rejects.toMatchObject({
    code: "config.invalid",
    message: "agent has no model gpt-9",
    hint: "The nearest of those that it lists: scripted-1, scripted-2.",
  });
});

test("an agent that demands a login is an error naming the method, and with its key in the environment it is logged in", async () => {
  const script = { start: { authenticationMethod: "api-key" }, steps: [{ say: "in" }] };
  await expect(start({ script })).rejects.toMatchObject({
    code: "agent.failed",
    message: "agent wants you to log in: Scripted login (api-key)",
    data: { kind: "authentication", methods: ["api-key"] },
  });
  const { session } = await start({
    script,
    options: { authentication: { methodId: "api-key", variable: "SOME_KEY" } },
    spec: { env: { PATH: process.env["PATH"] ?? "", SOME_KEY: "k" } },
  });
  expect((await session.prompt("go")).lastMessage).toBe("in");
});

test("a session is resumed by its id; one that the agent does not know is refused", async () => {
  const { session } = await start({
    spec: { resume: { nativeSessionId: "scripted-x-1" } },
    script: { steps: [{ say: "hi" }] },
  });
  expect(session.nativeSessionId).toBe("scripted-x-1");
  expect((await session.prompt("go")).lastMessage).toBe("hi");
  await expect(start({ spec: { resume: { nativeSessionId: "other" } } })).rejects.toMatchObject({
    code: "agent.failed",
    data: { kind: "resume-refused" },
  });
  const command = handWritten("");
  await expect(
    start({ options: { command }, spec: { resume: { nativeSessionId: "s" } } }),
  ).rejects.toMatchObject({
    data: { kind: "resume-unsupported" },
  });
});

test("the replay of a loaded session is not told again", async () => {
  const update = '{ sessionUpdate: "agent_message_chunk", content: { type: "text", text: method } }';
  const tell = `send({ method: "session/update", params: { update: ${update} } })`;
  const command = handWritten(`
    if (method === "session/load") { ${tell}; return answer(id, null); }
    if (method === "session/prompt") ${tell};`).map((part) =>
    part.replace("agentCapabilities: {}", "agentCapabilities: { loadSession: true }"),
  );
  const [program = "", ...args] = command;
  const { session, collector } = await start({
    options: { command: [program, ...args] },
    spec: { resume: { nativeSessionId: "old" } },
  });
  expect((await session.prompt("go")).lastMessage).toBe("session/prompt");
  await session.close();
  await collector.ended;
  expect(ofType(collector.events, "message.done")).toEqual([
    { type: "message.done", text: "session/prompt" },
  ]);
});

test("a system text goes into the first prompt as a block, and to claude as a field", async () => {
  const echo = `
    if (method === "session/new") globalThis.meta = params._meta ?? null;
    if (method === "session/prompt") {
      const text = JSON.stringify({ meta: globalThis.meta, prompt: params.prompt[0].text });
      send({ method: "session/update", params: { update: { sessionUpdate: "agent_message_chunk", content: { type: "text", text } } } });
    }`;
  const command = handWritten(echo);
  const [program, flag, source = ""] = command;
  const claude = source.replace(
    "agentCapabilities: {}",
    'agentCapabilities: {}, agentInfo: { name: "@agentclientprotocol/claude-agent-acp" }',
  );
  const spec = { systemAppend: "Be ``` brief." };
  const heard: unknown[] = [];
  for (const code of [source, claude]) {
    const { session } = await start({ options: { command: [program, flag ?? "", code] }, spec });
    heard.push(
      JSON.parse((await session.prompt("one")).lastMessage),
      JSON.parse((await session.prompt("two")).lastMessage),
    );
  }
  const meta = { systemPrompt: { append: "Be ``` brief." } };
  expect(heard).toEqual([
    { meta: null, prompt: "````canopy-context\nBe ``` brief.\n````\n\none" },
    { meta: null, prompt: "two" },
    { meta, prompt: "one" },
    { meta, prompt: "two" },
  ]);
});

test("file and terminal access are not offered, tool servers are passed on, HTTP ones only where they work", async () => {
  const echo = `
    if (method === "session/new") {
      const text = JSON.stringify(params.mcpServers);
      send({ method: "session/update", params: { update: { sessionUpdate: "agent_message_chunk", content: { type: "text", text } } } });
    }`;
  const { session, collector } = await start({
    options: { command: handWritten(echo) },
    spec: {
      mcpServers: [
        { type: "stdio", name: "a", command: "x", args: ["1"], env: { K: "v" } },
        { type: "http", name: "b", url: "http://127.0.0.1:1", headers: {} },
      ],
    },
  });
  await session.prompt("go");
  await session.close();
  await collector.ended;
  expect(ofType(collector.events, "notice").map((event) => event.text)).toEqual([
    "agent cannot use the tool server b: it takes no HTTP servers",
    "agent ended its turn without a word: its model may have refused",
  ]);
  const [told] = ofType(collector.events, "message.done");
  expect(JSON.parse(told?.text ?? "")).toEqual([
    { name: "a", command: "x", args: ["1"], env: [{ name: "K", value: "v" }] },
  ]);
});

test("codex's way of hiding an error in a finished turn is a failure", async () => {
  const steps = [{ say: "hm" }, { error: { kind: "rate-limit", style: "text", retryAfterMs: 20_000 } }];
  const { session } = await start({ script: { steps } });
  expect(await session.prompt("go")).toMatchObject({
    reason: "failed",
    error: { kind: "rate-limit", code: "rate-limited", retryAfterMs: 20_000, canRetry: true },
  });
});

test("the wait that an API asked for is told", async () => {
  const steps = [{ error: { kind: "rate-limit", retryAfterMs: 1_500 } }];
  const { session, collector } = await start({ script: { steps } });
  expect((await session.prompt("go")).error).toMatchObject({ kind: "rate-limit", retryAfterMs: 1_500 });
  await session.close();
  await collector.ended;
  expect(ofType(collector.events, "error")).toEqual([
    { type: "error", kind: "rate-limit", message: "API Error: 429 scripted rate-limit", retryAfterMs: 1_500 },
  ]);
});

test("garbage and a flood on standard error do not disturb a turn", async () => {
  const steps = [
    { garbage: "Debugger attached." },
    { flood: { lines: 5_000, stream: "stderr" } },
    { flood: { lines: 5_000, stream: "garbage" } },
    { say: "still fine" },
  ];
  const { session, collector } = await start({ script: { steps } });
  expect(await session.prompt("go")).toMatchObject({ reason: "end_turn", lastMessage: "still fine" });
  await session.close();
  await collector.ended;
  expect(findEventFaults(collector.events)).toEqual([]);
  const notices = ofType(collector.events, "notice");
  expect(notices[0]?.text).toMatch(/^not a protocol message: (Debugger|xxx)/);
});

test("an agent that dies by a signal in a turn is lost, and so is the next prompt", async () => {
  const steps = [
    { say: "a" },
    { stderr: "segfault soon" },
    { delayMs: 20 },
    { crash: { signal: "SIGKILL" } },
  ];
  const { session, collector } = await start({ script: { steps } });
  const [first, second] = await Promise.all([session.prompt("one"), session.prompt("two")]);
  expect(first).toMatchObject({ reason: "lost", error: { kind: "crash", canRetry: true } });
  expect(first.error?.message).toBe(
    "agent ended in the middle of its work (signal SIGKILL); last output:\nsegfault soon",
  );
  expect(second).toMatchObject({ reason: "lost", error: { kind: "crash" } });
  await collector.ended;
  expect(findEventFaults(collector.events)).toEqual([]);
});

test("an agent that closes its output but lives on is lost and stopped", async () => {
  const command = handWritten(
    'if (method === "session/prompt") { require("node:fs").closeSync(1); return; }',
  );
  const { session } = await start({ options: { command } });
  expect(await session.prompt("go")).toMatchObject({ reason: "lost", error: { kind: "crash" } });
});

test("an agent that ends between turns tells so and ends the events", async () => {
  const { session, collector } = await start({ script: { steps: [{ exit: { exitCode: 4 } }] } });
  expect((await session.prompt("go")).reason).toBe("end_turn");
  await collector.ended;
  expect(collector.events.at(-1)).toEqual({
    type: "error",
    kind: "crash",
    message: "agent ended by itself (exit code 4)",
  });
  expect((await session.prompt("more")).reason).toBe("lost");
});

test("a process that the dying agent left with its pipe open does not keep the turn alive", async () => {
  const code = `
    if (method === "session/prompt") {
      require("node:child_process").spawn("sleep", ["600"], { stdio: "inherit" });
      setTimeout(() => process.exit(3), 50);
      return;
    }`;
  const { session } = await start({ options: { command: handWritten(code) } });
  expect(await session.prompt("go")).toMatchObject({ reason: "lost", error: { kind: "crash" } });
});

test.each([
  [
    "ends at once",
    ["sh", "-c", "echo no licence >&2; exit 9"],
    "agent.failed",
    /exit code 9\); last output:\nno licence/,
  ],
  ["ends at once with success", ["true"], "agent.failed", /ended while starting \(exit code 0\)/],
  ["is missing inside a shell", ["sh", "-c", "no-such-thing"], "agent.not-found", /could not be run/],
  ["says nothing", ["sleep", "600"], "timed-out", /did not open a session within 0.2 s/],
  [
    "speaks another version",
    handWritten("").map((part) => part.replace("protocolVersion: 1", "protocolVersion: 7")),
    "agent.protocol",
    /ACP version 7/,
  ],
  [
    "forgets the session id",
    handWritten('if (method === "session/new") return answer(id, {});'),
    "agent.protocol",
    /without a session id/,
  ],
] as const)("an agent that %s is a clear error", async (_name, command, code, message) => {
  const [program = "", ...args] = command;
  const startMs = code === "timed-out" ? 200 : 10_000;
  const attempt = start({ options: { command: [program, ...args], startMs } });
  await expect(attempt).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
});

test("a result that cannot be read is a protocol error", async () => {
  const command = handWritten(
    'if (method === "session/prompt") return answer(id, { stopReason: "because" });',
  );
  const { session } = await start({ options: { command } });
  expect(await session.prompt("go")).toMatchObject({
    reason: "failed",
    error: { kind: "protocol", code: "agent.protocol" },
  });
});

test("a prompt of 3 MB arrives whole", async () => {
  const code = `
    if (method === "session/prompt") {
      const text = String(params.prompt[0].text.length);
      send({ method: "session/update", params: { update: { sessionUpdate: "agent_message_chunk", content: { type: "text", text } } } });
    }`;
  const { session } = await start({ options: { command: handWritten(code) } });
  expect((await session.prompt("p".repeat(3_000_000))).lastMessage).toBe("3000000");
});

test("a probe says whether the program is there and which version it is", async () => {
  const spec = {
    spawn: spawnLocal,
    env: { PATH: process.env["PATH"] ?? "" },
    signal: new AbortController().signal,
  };
  const here = await createAcpDriver({ name: "node", command: [process.execPath, "--acp"] }).probe(spec);
  expect(here).toEqual({ installed: true, version: process.version.slice(1), detail: process.version });
  const gone = await createAcpDriver({ name: "x", command: ["no-such-program-here"] }).probe(spec);
  expect(gone).toMatchObject({ installed: false, version: null });
});
