import { openSync } from "node:fs";
import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import { basename, dirname } from "node:path";
import { readTextLines } from "../session/read-text-lines.ts";

// Started once for every session of an agent: it loads nothing beyond Node, so that it costs as little as it can.

interface Place {
  readonly socketPath: string;
  readonly token: string;
}

interface Message {
  readonly id?: number | string | null;
  readonly method?: string;
  readonly result?: { readonly protocolVersion?: string };
}

let protocolVersion: string | null = null;

/** A path to a socket has at most 107 bytes; through the open folder it is short however deep that is. */
function shorten(socketPath: string): string {
  if (socketPath.length < 100) return socketPath;
  return `/proc/self/fd/${openSync(dirname(socketPath), "r")}/${basename(socketPath)}`;
}

function readPlace(): Place {
  const socketPath = process.env["CANOPY_TOOL_SOCKET"];
  const token = process.env["CANOPY_TOOL_TOKEN"];
  if (socketPath === undefined || token === undefined) {
    process.stderr.write(
      "canopy mcp: this works inside a session that Canopy started (CANOPY_TOOL_SOCKET is not set)\n",
    );
    process.exit(2);
  }
  return { socketPath: shorten(socketPath), token };
}

async function readText(incoming: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of incoming.setEncoding("utf8")) text += String(chunk);
  return text;
}

function post(place: Place, body: string): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        socketPath: place.socketPath,
        path: "/mcp",
        method: "POST",
        headers: {
          authorization: `Bearer ${place.token}`,
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          ...(protocolVersion === null ? {} : { "mcp-protocol-version": protocolVersion }),
        },
      },
      (incoming) => {
        readText(incoming).then((text) => resolve({ status: incoming.statusCode ?? 0, text }), reject);
      },
    );
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}

/** The messages of an answer: one body, or the events of a stream. */
function splitAnswer(text: string): string[] {
  const trimmed = text.trim();
  if (trimmed === "") return [];
  if (trimmed.startsWith("{") || trimmed.startsWith("[")) return [trimmed];
  return trimmed
    .split(/\r?\n\r?\n/)
    .map((event) =>
      event
        .split(/\r?\n/)
        .filter((line) => line.startsWith("data:"))
        .map((line) => line.slice("data:".length).trimStart())
        .join(""),
    )
    .filter((data) => data !== "");
}

function print(message: string): void {
  process.stdout.write(`${message.replaceAll("\n", " ")}\n`);
}

function printError(message: Message, text: string): void {
  if (message.id === undefined || message.id === null) return;
  print(JSON.stringify({ jsonrpc: "2.0", id: message.id, error: { code: -32_603, message: text } }));
}

async function carry(place: Place, line: string): Promise<void> {
  let message: Message;
  try {
    message = JSON.parse(line) as Message;
  } catch {
    return;
  }
  try {
    const { status, text } = await post(place, line);
    const answers = splitAnswer(text);
    if (status >= 400 && !answers.some((answer) => answer.includes('"jsonrpc"'))) {
      printError(message, `canopy answered ${status}: ${text.slice(0, 500)}`);
      return;
    }
    for (const answer of answers) {
      if (message.method === "initialize") {
        protocolVersion = (JSON.parse(answer) as Message).result?.protocolVersion ?? protocolVersion;
      }
      print(answer);
    }
  } catch (error) {
    printError(
      message,
      `canopy cannot be reached: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** Carries MCP messages from standard input to the session's tool socket and the answers back, until input ends. */
async function main(): Promise<void> {
  const place = readPlace();
  const pending = new Set<Promise<void>>();
  for await (const line of readTextLines(process.stdin)) {
    if (line.trim() === "") continue;
    const carried = carry(place, line).finally(() => pending.delete(carried));
    pending.add(carried);
    // What comes after the greeting must know its version.
    if (protocolVersion === null) await carried;
  }
  await Promise.all(pending);
}

await main();
