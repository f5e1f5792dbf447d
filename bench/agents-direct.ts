// The agents run by hand, without Canopy: what its overhead is measured against. Each speaks the least of its protocol that a
// turn needs, and is read raw.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { request } from "node:http";
import { createInterface } from "node:readline";
import type { ScriptedModel } from "@canopy/agents";
import { findRealAgent, launchRealAgent } from "@canopy/testkit";
import type { RealAgentName } from "@canopy/testkit";

/** One run of an agent. */
export interface DirectRun {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly prompt: string;
  readonly model: ScriptedModel;
  /** Called when the turn is over and the agent is still there. */
  readonly onEnd: () => Promise<void>;
}

/** How long until the agent's first text, in ms from its start. */
export type Direct = (run: DirectRun) => Promise<number>;

interface Started {
  readonly child: ChildProcess;
  readonly startedAt: number;
  send(message: object): void;
  /** Every JSON line that it prints. */
  lines(): AsyncGenerator<Record<string, unknown>>;
}

function start(name: RealAgentName, run: DirectRun, more: readonly string[]): Started {
  const launch = launchRealAgent(name, findRealAgent(name) ?? "", run.model.url);
  const [program, ...args] = launch.command;
  const startedAt = performance.now();
  // Codex takes its settings after the name of the mode.
  const child = spawn(program, [...(name === "codex" ? [] : args), ...more], {
    cwd: run.cwd,
    env: { ...run.env, ...launch.env },
    stdio: ["pipe", "pipe", "ignore"],
  });
  return {
    child,
    startedAt,
    send: (message) => void child.stdin.write(`${JSON.stringify(message)}\n`),
    lines: async function* lines() {
      for await (const line of createInterface({ input: child.stdout })) {
        if (line.startsWith("{")) yield JSON.parse(line) as Record<string, unknown>;
      }
    },
  };
}

async function end({ child }: Started, onEnd: () => Promise<void>): Promise<void> {
  await onEnd();
  child.stdin?.end();
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const timer = setTimeout(() => child.kill("SIGTERM"), 500);
  if (child.exitCode === null && child.signalCode === null) await ended;
  clearTimeout(timer);
}

const claude: Direct = async (run) => {
  const flags =
    "--print --verbose --input-format stream-json --output-format stream-json --include-partial-messages";
  const started = start("claude", run, flags.split(" "));
  const message = { role: "user", content: [{ type: "text", text: run.prompt }] };
  started.send({ type: "user", message, parent_tool_use_id: null, session_id: "" });
  let firstMs = 0;
  for await (const line of started.lines()) {
    if (firstMs === 0 && JSON.stringify(line).includes("text_delta"))
      firstMs = performance.now() - started.startedAt;
    if (line["type"] === "result") break;
  }
  await end(started, run.onEnd);
  return firstMs;
};

const codex: Direct = async (run) => {
  const launch = launchRealAgent("codex", findRealAgent("codex") ?? "", run.model.url);
  const started = start("codex", run, ["app-server", ...launch.command.slice(1)]);
  const clientInfo = { name: "direct", title: "Direct", version: "1" };
  started.send({ id: 1, method: "initialize", params: { clientInfo } });
  let firstMs = 0;
  for await (const line of started.lines()) {
    if (line["id"] === 1) {
      started.send({ method: "initialized" });
      const params = {
        cwd: run.cwd,
        approvalPolicy: "never",
        sandbox: "danger-full-access",
        model: launch.model,
      };
      started.send({ id: 2, method: "thread/start", params });
    }
    if (line["id"] === 2) {
      const { thread } = line["result"] as { thread: { id: string } };
      const input = [{ type: "text", text: run.prompt }];
      started.send({ id: 3, method: "turn/start", params: { threadId: thread.id, input } });
    }
    if (firstMs === 0 && line["method"] === "item/agentMessage/delta")
      firstMs = performance.now() - started.startedAt;
    if (line["method"] === "turn/completed") break;
  }
  await end(started, run.onEnd);
  return firstMs;
};

const gemini: Direct = async (run) => {
  const started = start("gemini", run, []);
  const send = (id: number, method: string, params: object): void =>
    started.send({ jsonrpc: "2.0", id, method, params });
  const fs = { readTextFile: false, writeTextFile: false };
  send(1, "initialize", { protocolVersion: 1, clientCapabilities: { fs, terminal: false } });
  let firstMs = 0;
  for await (const line of started.lines()) {
    if (line["id"] === 1) send(2, "authenticate", { methodId: "gemini-api-key" });
    if (line["id"] === 2) send(3, "session/new", { cwd: run.cwd, mcpServers: [] });
    if (line["id"] === 3) {
      const { sessionId } = line["result"] as { sessionId: string };
      send(4, "session/prompt", { sessionId, prompt: [{ type: "text", text: run.prompt }] });
    }
    if (firstMs === 0 && JSON.stringify(line).includes("agent_message_chunk"))
      firstMs = performance.now() - started.startedAt;
    if (line["id"] === 4) break;
  }
  await end(started, run.onEnd);
  return firstMs;
};

function post(url: string, path: string, body: object): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    const outgoing = request(new URL(path, url), { method: "POST", headers }, (incoming) => {
      let text = "";
      incoming.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      incoming.once("end", () => resolve(JSON.parse(text)));
    });
    outgoing.once("error", reject);
    outgoing.end(JSON.stringify(body));
  });
}

async function waitForUrl(child: ChildProcess): Promise<string> {
  let seen = "";
  for await (const chunk of child.stdout ?? []) {
    seen += String(chunk);
    const url = /listening on (http:\/\/\S+)/.exec(seen)?.[1];
    if (url !== undefined) return url;
  }
  throw new Error("the server did not start");
}

const opencode: Direct = async (run) => {
  const started = start("opencode", run, ["serve", "--hostname", "127.0.0.1", "--port", "0"]);
  const url = await waitForUrl(started.child);
  const query = `?directory=${encodeURIComponent(run.cwd)}`;
  let firstMs = 0;
  const events = request(new URL(`/event${query}`, url), (incoming) => {
    incoming.setEncoding("utf8").on("data", (chunk: string) => {
      if (firstMs === 0 && chunk.includes("message.part.delta"))
        firstMs = performance.now() - started.startedAt;
    });
  });
  events.on("error", () => undefined);
  events.end();
  const { id } = (await post(url, `/session${query}`, {})) as { id: string };
  await post(url, `/session/${id}/message${query}`, { parts: [{ type: "text", text: run.prompt }] });
  await run.onEnd();
  events.destroy();
  started.child.kill("SIGTERM");
  await new Promise((resolve) => started.child.once("exit", resolve));
  return firstMs;
};

/** How to run each agent by hand. */
export const DIRECT: Readonly<Record<RealAgentName, Direct>> = { claude, codex, gemini, opencode };
