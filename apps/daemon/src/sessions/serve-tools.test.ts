import { spawn } from "node:child_process";
import { mkdir, mkdtemp, open, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { createToolBridge } from "@canopy/agents";
import { brandId } from "@canopy/protocol";
import { createAgentToolServer } from "@canopy/server/mcp";
import { openTestHost } from "@canopy/testkit";
import { expect, test } from "vitest";
import { serveTools } from "./serve-tools.ts";
import type { ToolListener } from "./serve-tools.ts";

interface Served extends AsyncDisposable {
  readonly listener: ToolListener;
  readonly token: string;
}

/** A session's tools on a socket whose path is longer than a socket's may be. */
async function openServed(): Promise<Served> {
  const stack = new AsyncDisposableStack();
  const base = await mkdtemp(join(tmpdir(), "canopy-tools-"));
  stack.defer(() => rm(base, { recursive: true }));
  const folder = join(base, "a-long-name-for-a-folder".repeat(5));
  await mkdir(folder);
  const host = stack.use(openTestHost());
  const tools = createAgentToolServer({
    host,
    log: { info: () => undefined, error: (fields) => expect(fields).toBe(null) },
    newToken: () => "the-token",
    newKey: () => "key",
    now: () => host.nowMs,
    coordinate: () => Promise.resolve({ text: "" }),
  });
  const access = tools.grant({
    projectId: host.addProject("web").projectId,
    sessionId: brandId("session", "ses_a"),
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
  return { listener, token: access.token, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** What the socket answers: through its open folder, for its path is too long. */
async function ask(served: Served, path: string, token: string | null): Promise<number> {
  const handle = await open(dirname(served.listener.path), "r");
  try {
    return await new Promise<number>((resolve, reject) => {
      const headers = token === null ? {} : { authorization: `Bearer ${token}` };
      const socketPath = `/proc/self/fd/${handle.fd}/${basename(served.listener.path)}`;
      const outgoing = request({ socketPath, path, method: "POST", headers }, (incoming) => {
        incoming.resume();
        resolve(incoming.statusCode ?? 0);
      });
      outgoing.once("error", reject);
      outgoing.end("{}");
    });
  } finally {
    await handle.close();
  }
}

test("the socket answers nothing but /mcp, and that by the session's token only", async () => {
  await using served = await openServed();
  const answers = [];
  for (const path of ["/api/v1/status", "/metrics", "/ws", "/mcp/../api/v1/status"])
    answers.push(await ask(served, path, served.token));
  expect(answers).toEqual([404, 404, 404, 404]);
  expect([await ask(served, "/mcp", null), await ask(served, "/mcp", "wrong")]).toEqual([401, 401]);
});

interface Bridge {
  readonly answers: AsyncIterator<string>;
  readonly ended: Promise<unknown>;
  send(message: object): void;
  endInput(): void;
}

/** The bridge as agents start it, or the program that it falls back to where there is no perl. */
function startBridge(served: Served, program: "quick" | "node", token = served.token): Bridge {
  const server = createToolBridge({ path: served.listener.path, token });
  if (server.type !== "stdio") throw new Error("the bridge is no program");
  const path = program === "quick" ? (process.env["PATH"] ?? "") : "/nowhere";
  const child = spawn(server.command, [...server.args], {
    env: { ...server.env, PATH: path },
    stdio: ["pipe", "pipe", "inherit"],
  });
  return {
    answers: createInterface({ input: child.stdout })[Symbol.asyncIterator](),
    ended: new Promise((resolve) => child.once("exit", resolve)),
    send: (message) => void child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`),
    endInput: () => void child.stdin.end(),
  };
}

async function nextAnswer(bridge: Bridge): Promise<unknown> {
  const { value } = await bridge.answers.next();
  return JSON.parse(String(value));
}

const GREETING = {
  id: 1,
  method: "initialize",
  params: {
    protocolVersion: "2025-06-18",
    capabilities: {},
    clientInfo: { name: "test", version: "1", id: 77 },
  },
};

const PROGRAMS = ["quick", "node"] as const;

test.for(PROGRAMS)(
  "the %s bridge carries messages to the tools and back, and ends with its input",
  async (program) => {
    await using served = await openServed();
    const bridge = startBridge(served, program);
    bridge.send(GREETING);
    bridge.send({ method: "notifications/initialized" });
    expect(await nextAnswer(bridge)).toMatchObject({
      id: 1,
      result: { serverInfo: { name: "canopy" }, protocolVersion: "2025-06-18" },
    });
    // Two at once, one of them too long for one read.
    const arguments_ = { text: "ä\\n\u2028".repeat(50_000) };
    bridge.send({ id: "two", method: "tools/call", params: { name: "ready_tasks", arguments: {} } });
    bridge.send({ id: 3, method: "tools/call", params: { name: "no_such_tool", arguments: arguments_ } });
    bridge.endInput();
    const answers = [await nextAnswer(bridge), await nextAnswer(bridge)];
    expect(
      answers.toSorted((one, other) => JSON.stringify(other).localeCompare(JSON.stringify(one))),
    ).toMatchObject([
      { id: "two", result: { content: [{ type: "text", text: "No task is ready." }] } },
      { id: 3 },
    ]);
    expect(await bridge.ended).toBe(0);
  },
);

test.for(PROGRAMS)("the %s bridge answers for tools that refuse or have gone", async (program) => {
  const served = await openServed();
  const stranger = startBridge(served, program, "wrong");
  stranger.send(GREETING);
  const refused = await nextAnswer(stranger);
  const bridge = startBridge(served, program);
  bridge.send(GREETING);
  await nextAnswer(bridge);
  await served[Symbol.asyncDispose]();
  bridge.send({ method: "tools/call", params: { name: "\\", id: 5, list: [{ id: 6 }] }, id: 'a"b' });
  const gone = await nextAnswer(bridge);
  expect([refused, gone]).toEqual([
    {
      jsonrpc: "2.0",
      id: 1,
      error: { code: -32_603, message: expect.stringMatching(/^canopy answered 401: .*token is needed/) },
    },
    {
      jsonrpc: "2.0",
      id: 'a"b',
      error: { code: -32_603, message: expect.stringMatching(/^canopy cannot be reached: /) },
    },
  ]);
  for (const one of [stranger, bridge]) one.endInput();
  expect(await Promise.all([stranger.ended, bridge.ended])).toEqual([0, 0]);
});
