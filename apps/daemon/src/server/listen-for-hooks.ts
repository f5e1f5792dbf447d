import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { chdir, cwd } from "node:process";
import { basename, dirname } from "node:path";
import { mkdirSync, rmSync } from "node:fs";
import { MAX_HOOK_PAYLOAD_CHARS } from "@canopy/hooks";
import type { HookAnswer, HookRequest } from "../coordination/hook-service.ts";
import { closeServer, listenOnSocket } from "./listen.ts";

/** The longest path that a socket is bound at as it is; a longer one is bound from its own folder. */
const MAX_SOCKET_PATH_BYTES = 100;

async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    // Four bytes are the most that a character takes.
    if (size > MAX_HOOK_PAYLOAD_CHARS * 4) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function readHeader(request: IncomingMessage, name: string): string | null {
  const value = request.headers[name];
  return typeof value === "string" ? value : null;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  handle: (request: HookRequest) => Promise<HookAnswer>,
): Promise<void> {
  const url = new URL(request.url ?? "/", "http://localhost");
  const agent = /^\/hooks\/([\w-]+)$/.exec(url.pathname)?.[1];
  const body = await readBody(request);
  if (agent === undefined || request.method !== "POST" || body === null) {
    response.writeHead(body === null ? 413 : 404).end();
    return;
  }
  const pid = Number(readHeader(request, "canopy-pid"));
  const reply = await handle({
    agent,
    event: url.searchParams.get("event"),
    body,
    pid: Number.isSafeInteger(pid) && pid > 0 ? pid : null,
    isBypassed: readHeader(request, "canopy-bypass") === "1",
  });
  const text = Buffer.from(reply.body);
  response.writeHead(200, {
    "content-type": "application/json",
    "content-length": text.length,
    "canopy-exit": reply.exitCode,
    connection: "close",
  });
  response.end(text);
}

/**
 * Listens for the hooks' command client on a socket of its own, without anything between: what a hook costs is what an
 * agent waits. Only the socket's owner can open it. Throws `daemon.unavailable`.
 */
export async function listenForHooks(
  socketPath: string,
  handle: (request: HookRequest) => Promise<HookAnswer>,
): Promise<AsyncDisposable> {
  const server = createServer((request, response) => {
    answer(request, response, handle).catch(() => response.destroy());
  });
  if (Buffer.byteLength(socketPath) <= MAX_SOCKET_PATH_BYTES) await listenOnSocket(server, socketPath);
  else await listenFromFolder(server, socketPath);
  return {
    async [Symbol.asyncDispose]() {
      await closeServer(server);
      rmSync(socketPath, { force: true });
    },
  };
}

/** The client goes to the socket's folder first, so a path of any length will do; binding it takes the same. */
async function listenFromFolder(server: ReturnType<typeof createServer>, socketPath: string): Promise<void> {
  mkdirSync(dirname(socketPath), { recursive: true, mode: 0o700 });
  const before = cwd();
  chdir(dirname(socketPath));
  try {
    await listenOnSocket(server, basename(socketPath));
  } finally {
    chdir(before);
  }
}
