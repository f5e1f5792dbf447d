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

test("the bridge carries messages to the tools and back, and ends with its input", async () => {
  await using served = await openServed();
  const server = createToolBridge({ path: served.listener.path, token: served.token });
  if (server.type !== "stdio") throw new Error("the bridge is no program");
  const child = spawn(server.command, [...server.args], {
    env: { ...server.env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const send = (message: object): void =>
    void child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  const clientInfo = { name: "test", version: "1" };
  send({
    id: 1,
    method: "initialize",
    params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo },
  });
  const answers: Record<string, unknown>[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const answer = JSON.parse(line) as { id: number; result: Record<string, unknown> };
    answers.push(answer.result);
    if (answer.id === 1) {
      send({ method: "notifications/initialized" });
      send({ id: 2, method: "tools/call", params: { name: "ready_tasks", arguments: {} } });
    } else child.stdin.end();
  }
  expect(answers).toMatchObject([
    { serverInfo: { name: "canopy" }, protocolVersion: "2025-06-18" },
    { content: [{ type: "text", text: "No task is ready." }] },
  ]);
  expect(await ended).toBe(0);
});
