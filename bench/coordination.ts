import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { BenchResult } from "./bench-result.ts";
import { roundMs } from "./bench-result.ts";
import { percentileOf } from "./measure.ts";

const execute = promisify(execFile);
const CANOPY = fileURLToPath(new URL("../apps/cli/bin/canopy", import.meta.url));
const OTHERS = 50;
const CLAIMS_EACH = 20;
const ROUNDS = { http: 1000, command: 200, tool: 300, cli: 40, floor: 200 } as const;

/** The least that a rival's hook can be: a program that writes a line to a socket, waits for one, and ends. */
const FLOOR_SOURCE = `
#include <string.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/un.h>
int main(int argc, char **argv) {
  char buffer[65536];
  long size = read(0, buffer, sizeof buffer);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  strncpy(address.sun_path, argv[1], sizeof address.sun_path - 1);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) return 1;
  if (write(fd, buffer, size) < 0) return 1;
  shutdown(fd, SHUT_WR);
  size = read(fd, buffer, sizeof buffer);
  return size > 0 && fwrite(buffer, 1, size, stdout) > 0 ? 0 : 1;
}
`;

interface Place {
  readonly folder: string;
  readonly repository: string;
  readonly env: Record<string, string>;
  readonly stateDir: string;
  readonly port: number;
  readonly token: string;
}

type Work = (index: number) => Promise<unknown>;

async function measure(count: number, work: Work): Promise<number[]> {
  for (let index = 0; index < Math.min(20, count); index += 1) await work(index);
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const before = performance.now();
    await work(index);
    times.push(performance.now() - before);
  }
  return times;
}

function toRow(name: string, sessions: number, times: readonly number[], aim: string): (string | number)[] {
  const at = (share: number): number => roundMs(percentileOf(times, share));
  return [name, sessions, at(0.5), at(0.95), at(0.99), aim];
}

async function openPlace(): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), "canopy-bench-coordination-"));
  const path = `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`;
  const env = {
    PATH: path,
    HOME: folder,
    LANG: "C.UTF-8",
    CANOPY_HOME: join(folder, "canopy"),
    CANOPY_PORT: "0",
  };
  const repository = join(folder, "repository");
  mkdirSync(join(repository, "src"), { recursive: true });
  const git = (...args: string[]): void => {
    const identity = ["-c", "user.name=Bench", "-c", "user.email=bench@canopy.invalid"];
    execFileSync("git", [...identity, ...args], { cwd: repository, env, stdio: "ignore" });
  };
  git("init", "-q", "-b", "main");
  for (let index = 0; index < 200; index += 1) writeFileSync(join(repository, "src", `f${index}.ts`), "x\n");
  git("add", ".");
  git("commit", "-qm", "start");
  await execute(CANOPY, ["up"], { env });
  const stateDir = join(folder, "canopy", "state");
  const info = JSON.parse(readFileSync(join(stateDir, "daemon.json"), "utf8")) as { port: number };
  const token = readFileSync(join(stateDir, "token"), "utf8").trim();
  return { folder, repository, env, stateDir, port: info.port, token };
}

function payload(place: Place, session: string, event: string, extra: object): string {
  return JSON.stringify({
    session_id: session,
    transcript_path: "/nowhere.jsonl",
    cwd: place.repository,
    permission_mode: "default",
    hook_event_name: event,
    ...extra,
  });
}

function editPayload(place: Place, session: string, file: string): string {
  const tool_input = { file_path: join(place.repository, "src", file), old_string: "x", new_string: "y" };
  return payload(place, session, "PreToolUse", { tool_name: "Edit", tool_use_id: "t", tool_input });
}

/** Posts to the daemon as Claude Code's http hooks do: over a connection that stays open. */
function post(place: Place, agent: Agent, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request(
      {
        agent,
        host: "127.0.0.1",
        port: place.port,
        path: "/hooks/claude",
        method: "POST",
        headers: {
          authorization: `Bearer ${place.token}`,
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
        },
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        response.on("end", () =>
          response.statusCode === 200 ? resolve(text) : reject(new Error(`${response.statusCode}: ${text}`)),
        );
      },
    );
    call.on("error", reject);
    call.end(body);
  });
}

async function spawnWith(
  command: string,
  args: readonly string[],
  input: string,
  env: Record<string, string>,
): Promise<string> {
  const child = spawn(command, args, { env, stdio: ["pipe", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  child.stdin.end(input);
  const [code] = (await once(child, "close")) as [number];
  if (code !== 0) throw new Error(`${command} ended with ${code}`);
  return text;
}

async function measureFloor(place: Place): Promise<number[] | null> {
  const program = join(place.folder, "floor");
  const source = `${program}.c`;
  writeFileSync(source, FLOOR_SOURCE);
  try {
    execFileSync("cc", ["-O2", "-o", program, source], { stdio: "ignore" });
  } catch {
    return null;
  }
  const socketPath = join(place.folder, "floor.sock");
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.resume();
    socket.on("end", () => socket.end("{}\n"));
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  const body = editPayload(place, "floor", "f0.ts");
  const times = await measure(ROUNDS.floor, async () => {
    await spawnWith(program, [socketPath], body, place.env);
  });
  server.close();
  return times;
}

/** One tool call after another of an MCP server that runs all the while, as agents have it. */
async function measureTool(place: Place): Promise<number[]> {
  const child = spawn(CANOPY, ["mcp"], {
    cwd: place.repository,
    env: { ...place.env, CLAUDE_CODE_SESSION_ID: "measured" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const waiting = new Map<number, () => void>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    const { id } = JSON.parse(line) as { id?: number };
    if (id !== undefined) waiting.get(id)?.();
  });
  let next = 0;
  const call = async (method: string, params: object): Promise<void> => {
    next += 1;
    const id = next;
    const { promise, resolve } = Promise.withResolvers<void>();
    waiting.set(id, resolve);
    child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
    await promise;
    waiting.delete(id);
  };
  await call("initialize", {
    protocolVersion: "2025-06-18",
    capabilities: {},
    clientInfo: { name: "bench", version: "1" },
  });
  child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" })}\n`);
  const times = await measure(ROUNDS.tool, () =>
    call("tools/call", { name: "list_claims", arguments: { mine: true } }),
  );
  child.stdin.end();
  await once(child, "close");
  return times;
}

async function measureAll(place: Place, agent: Agent, sessions: number): Promise<(string | number)[][]> {
  const edit = (index: number): string => editPayload(place, "measured", `f${index % 40}.ts`);
  const read = payload(place, "measured", "PostToolUse", {
    tool_name: "Read",
    tool_use_id: "t",
    tool_input: { file_path: join(place.repository, "src", "f0.ts") },
    tool_response: { ok: true },
  });
  const client = join(place.stateDir, "hook", "canopy-hook");
  const http = await measure(ROUNDS.http, (index) =>
    post(place, agent, index % 2 === 0 ? edit(index) : read),
  );
  const command = await measure(ROUNDS.command, (index) =>
    spawnWith("/bin/sh", [client, "claude", "PreToolUse"], edit(index), place.env),
  );
  const tool = await measureTool(place);
  const env = { ...place.env, CLAUDE_CODE_SESSION_ID: "measured" };
  const cli = await measure(ROUNDS.cli, (index) =>
    execute(CANOPY, ["claim", `src/f${100 + (index % 40)}.ts`], { cwd: place.repository, env }),
  );
  return [
    toRow("http hook (edit, read)", sessions, http, "p95 < 5"),
    toRow("command hook (edit)", sessions, command, "p95 < 50"),
    toRow("MCP tool call", sessions, tool, ""),
    toRow("canopy claim, new process", sessions, cli, ""),
  ];
}

async function fill(place: Place, agent: Agent): Promise<void> {
  for (let session = 1; session < OTHERS; session += 1) {
    const name = `other-${session}`;
    await post(place, agent, payload(place, name, "UserPromptSubmit", { prompt: "x" }));
    for (let index = 0; index < CLAIMS_EACH; index += 1)
      await post(place, agent, editPayload(place, name, `new-${session}-${index}.ts`));
  }
}

/** What coordination costs an agent: hooks, tools and commands, with one session and fifty, against the least there is. */
export async function run(): Promise<BenchResult> {
  const place = await openPlace();
  const agent = new Agent({ keepAlive: true });
  try {
    if (!existsSync(join(place.stateDir, "hook.sock"))) throw new Error("the daemon has no socket for hooks");
    const floor = await measureFloor(place);
    const alone = await measureAll(place, agent, 1);
    await fill(place, agent);
    const among = await measureAll(place, agent, OTHERS);
    return {
      name: "coordination",
      columns: ["what", "sessions", "p50 ms", "p95 ms", "p99 ms", "aim"],
      rows: [
        ...(floor === null ? [] : [toRow("native program, unix socket (floor)", 0, floor, "")]),
        ...alone,
        ...among,
      ],
      notes: [
        "From the agent's side: until the answer is read; processes from their start to their end.",
        `With ${OTHERS} sessions, each of the others holds ${CLAIMS_EACH} claims.`,
        ...(floor === null ? ["No C compiler here, so there is no floor."] : []),
      ],
    };
  } finally {
    agent.destroy();
    await execute(CANOPY, ["down"], { env: place.env }).catch(() => undefined);
    rmSync(place.folder, { recursive: true, force: true });
  }
}
