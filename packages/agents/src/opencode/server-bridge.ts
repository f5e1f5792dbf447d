import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import { readTextLines } from "../session/read-text-lines.ts";

// Runs where the agent's files are, in a sandbox whose loopback nobody outside can reach: starts the server there, and carries
// requests and events over standard input and output, one JSON object a line. It imports nothing but Node.

interface Ask {
  readonly id: number;
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
}

const password = randomBytes(24).toString("base64url");
const authorization = `Basic ${Buffer.from(`opencode:${password}`).toString("base64")}`;

function print(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function startServer(command: readonly string[]): Promise<URL> {
  const [program = "", ...args] = command;
  const server = spawn(program, [...args, "serve", "--hostname", "127.0.0.1", "--port", "0"], {
    env: { ...process.env, OPENCODE_SERVER_PASSWORD: password },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const end = (): void => void server.kill("SIGTERM");
  process.once("SIGTERM", end);
  process.stdin.once("close", end);
  server.once("exit", (code) => process.exit(code ?? 1));
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      process.stderr.write(`${error.message}\n`);
      process.exit(127);
    });
    let seen = "";
    server.stdout.setEncoding("utf8").on("data", (text: string) => {
      seen = (seen + text).slice(-4000);
      const url = /listening on (http:\/\/\S+)/.exec(seen)?.[1];
      if (url !== undefined) resolve(new URL(url));
    });
    server.stdout.once("end", () => reject(new Error(seen)));
  });
}

function open(url: URL, ask: Omit<Ask, "id">): Promise<IncomingMessage> {
  const body = ask.body === undefined ? null : JSON.stringify(ask.body);
  return new Promise((resolve, reject) => {
    const headers = { authorization, ...(body === null ? {} : { "content-type": "application/json" }) };
    const outgoing = request(new URL(ask.path, url), { method: ask.method, headers }, resolve);
    outgoing.once("error", reject);
    outgoing.end(body ?? undefined);
  });
}

async function answer(url: URL, ask: Ask): Promise<void> {
  try {
    const incoming = await open(url, ask);
    let text = "";
    for await (const chunk of incoming.setEncoding("utf8")) text += String(chunk);
    print({ type: "answer", id: ask.id, status: incoming.statusCode ?? 0, text });
  } catch (error) {
    print({
      type: "answer",
      id: ask.id,
      status: 0,
      text: error instanceof Error ? error.message : String(error),
    });
  }
}

/** Events are numbered by nobody: a cut stream ends the bridge, and the session with it, rather than losing some silently. */
async function follow(url: URL, path: string): Promise<void> {
  const incoming = await open(url, { method: "GET", path });
  print({ type: "ready", status: incoming.statusCode ?? 0 });
  for await (const line of readTextLines(incoming)) {
    if (line.startsWith("data:")) process.stdout.write(`{"type":"event","event":${line.slice(5).trim()}}\n`);
  }
}

async function main(): Promise<void> {
  const [eventPath = "/event", ...command] = process.argv.slice(2);
  const url = await startServer(command);
  const following = follow(url, eventPath);
  for await (const line of readTextLines(process.stdin)) {
    if (line.trim() !== "") void answer(url, JSON.parse(line) as Ask);
  }
  await following;
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
