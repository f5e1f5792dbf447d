import { mkdirSync } from "node:fs";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { join } from "node:path";
import { isHookAgent } from "../events/hook-call.ts";
import type { HookCall } from "../events/hook-call.ts";
import { parseHookCall } from "../events/parse-hook-call.ts";
import { ToolMemory } from "../events/tool-memory.ts";
import type { HookReply } from "../replies/hook-reply.ts";
import { EMPTY_ANSWER, renderReply } from "../replies/render-reply.ts";
import type { RenderedReply } from "../replies/rendered-reply.ts";

/** One call that was answered, and the way it came. */
export interface AnsweredCall {
  readonly via: "http" | "socket";
  readonly call: HookCall;
  readonly reply: RenderedReply;
}

/** The daemon's two doors for hooks, with a test's policy behind them. */
export interface HookDaemon extends AsyncDisposable {
  readonly url: string;
  readonly calls: readonly AnsweredCall[];
  /** Requests on the loopback port without the token. */
  readonly refusedCount: () => number;
}

function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) => {
    request.on("end", () => resolve(Buffer.concat(chunks).toString()));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** Listens on `hook.sock` in a state folder and on a loopback port, as the daemon does, and answers what `decide` says. */
export async function startHookDaemon(
  stateDir: string,
  token: string,
  decide: (call: HookCall) => HookReply,
): Promise<HookDaemon> {
  const calls: AnsweredCall[] = [];
  const memory = new ToolMemory();
  let refused = 0;
  const answer = async (via: AnsweredCall["via"], request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? "", "http://localhost");
    const agent = url.pathname.split("/")[2] ?? "";
    const body = await readBody(request);
    if (via === "http" && request.headers.authorization !== `Bearer ${token}`) {
      refused += 1;
      response.writeHead(401).end();
      return;
    }
    const parsed = isHookAgent(agent) ? parseHookCall(agent, body, url.searchParams.get("event")) : null;
    response.setHeader("content-type", "application/json");
    if (parsed === null) {
      response.end(EMPTY_ANSWER);
      return;
    }
    const call = memory.settle(parsed);
    const reply = renderReply(call, decide(call));
    calls.push({ via, call, reply });
    response.end(reply.body);
  };
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const http = createServer((request, response) => void answer("http", request, response));
  const socket = createServer((request, response) => void answer("socket", request, response));
  await new Promise<void>((resolve) => socket.listen(join(stateDir, "hook.sock"), resolve));
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const address = http.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    calls,
    refusedCount: () => refused,
    async [Symbol.asyncDispose]() {
      await Promise.all([close(http), close(socket)]);
    },
  };
}
