import { spawn } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parseGitHookCall } from "../git/git-hook-call.ts";

const CLIENT = fileURLToPath(new URL("../../client/", import.meta.url));
const NODE_ONLY = "node-only";
const REACH = "files are not claimed and other agents are not seen until it runs again (canopy up).";

interface Seen {
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Output {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let folder: string;
let cleanUps: (() => Promise<void> | void)[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "canopy-hook-"));
  cleanUps = [() => rmSync(folder, { recursive: true, force: true })];
  mkdirSync(join(folder, "state", "hook"), { recursive: true });
  for (const name of ["canopy-hook", "canopy-hook.cjs"]) {
    copyFileSync(join(CLIENT, name), join(folder, "state", "hook", name));
    chmodSync(join(folder, "state", "hook", name), 0o755);
  }
  // A PATH on which there is no perl.
  mkdirSync(join(folder, NODE_ONLY));
  symlinkSync(process.execPath, join(folder, NODE_ONLY, "node"));
});

afterEach(async () => {
  for (const cleanUp of cleanUps.toReversed()) await cleanUp();
});

/** A daemon's socket that answers as a test says, and keeps what it was sent. */
async function serve(answer: (response: ServerResponse, request: IncomingMessage) => void): Promise<Seen[]> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      seen.push({ url: request.url, headers: request.headers, body: Buffer.concat(chunks).toString() });
      answer(response, request);
    });
  });
  await new Promise<void>((resolve) => server.listen(join(folder, "state", "hook.sock"), resolve));
  cleanUps.push(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return seen;
}

interface Call {
  readonly runtime: "perl" | "node";
  readonly args: readonly string[];
  readonly input: string | null;
  readonly env?: Readonly<Record<string, string>>;
}

function runClient({ runtime, args, input, env = {} }: Call): Promise<Output> {
  const path = runtime === "node" ? join(folder, NODE_ONLY) : (process.env["PATH"] ?? "");
  const child = spawn("/bin/sh", [join(folder, "state", "hook", "canopy-hook"), ...args], {
    cwd: folder,
    env: { PATH: path, HOME: folder, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
  child.stdin.on("error", () => undefined);
  if (input !== null) child.stdin.end(input);
  return new Promise((resolve) => {
    child.on("close", (code) =>
      resolve({ code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }),
    );
  });
}

const RUNTIMES = ["perl", "node"] as const;
const PAYLOAD = JSON.stringify({
  session_id: "s1",
  hook_event_name: "PreToolUse",
  note: 'ü \u0000 "quoted"',
});

test.each(RUNTIMES)(
  "%s: the payload goes to the daemon as it is, and its answer is printed",
  async (runtime) => {
    const seen = await serve((response) => response.end('{"hookSpecificOutput":{"x":"ü"}}'));
    const output = await runClient({
      runtime,
      args: ["claude", "PreToolUse"],
      input: PAYLOAD,
      env: { CLAUDE_PID: "4242" },
    });
    expect(output).toEqual({ code: 0, stdout: '{"hookSpecificOutput":{"x":"ü"}}', stderr: "" });
    expect(seen.map(({ url, body }) => ({ url, body }))).toEqual([
      { url: "/hooks/claude?event=PreToolUse", body: PAYLOAD },
    ]);
    expect([seen[0]?.headers["canopy-pid"], seen[0]?.headers["canopy-bypass"]]).toEqual(["4242", undefined]);
  },
);

test.each(RUNTIMES)("%s: without CLAUDE_PID the process that ran the hook is named", async (runtime) => {
  const seen = await serve((response) => response.end("{}"));
  await runClient({ runtime, args: ["codex", "Stop"], input: "{}", env: { CANOPY_BYPASS: "1" } });
  expect([seen[0]?.headers["canopy-pid"], seen[0]?.headers["canopy-bypass"]]).toEqual([
    String(process.pid),
    "1",
  ]);
});

test.each(RUNTIMES)(
  "%s: an exit code that the daemon asks for, and a large payload and answer",
  async (runtime) => {
    const large = JSON.stringify({ text: "ä".repeat(3_000_000) });
    const seen = await serve((response) => {
      response.setHeader("canopy-exit", "2");
      response.end(large);
    });
    const output = await runClient({ runtime, args: ["gemini", "AfterTool"], input: large });
    expect([output.code, output.stdout === large, seen[0]?.body === large]).toEqual([2, true, true]);
  },
);

test.each(RUNTIMES)("%s: with no daemon it lets go and says so, once for a session", async (runtime) => {
  const args = ["claude", "PreToolUse"];
  const old = join(folder, "state", "hook-notices", "claude-of-last-week");
  mkdirSync(join(old, ".."));
  writeFileSync(old, "");
  utimesSync(old, 1_000_000, 1_000_000);
  const first = await runClient({ runtime, args, input: PAYLOAD });
  expect(first.code).toBe(0);
  expect(JSON.parse(first.stdout)).toEqual({
    systemMessage: `Canopy cannot be reached (no daemon is running): ${REACH}`,
  });
  expect(await runClient({ runtime, args, input: PAYLOAD })).toEqual({ code: 0, stdout: "{}", stderr: "" });
  const other = await runClient({ runtime, args, input: PAYLOAD.replace("s1", "s2") });
  expect(other.stdout).toContain("systemMessage");
  expect(readdirSync(join(folder, "state", "hook-notices")).toSorted()).toEqual(["claude-s1", "claude-s2"]);
});

test.each(RUNTIMES)("%s: an agent that shows no message gets it on its error output", async (runtime) => {
  const output = await runClient({
    runtime,
    args: ["cursor", "preToolUse"],
    input: '{"conversation_id":"c"}',
  });
  expect(output).toEqual({
    code: 0,
    stdout: "{}",
    stderr: `canopy: Canopy cannot be reached (no daemon is running): ${REACH}\n`,
  });
});

test.each(RUNTIMES)("%s: a daemon that fails, breaks off or hangs stops nobody", async (runtime) => {
  let mode = 0;
  await serve((response, request) => {
    mode += 1;
    if (mode === 1) response.writeHead(500).end("no");
    else if (mode === 2) request.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"dec');
    else if (mode === 3) request.socket.destroy();
  });
  const why = [];
  for (const session of ["a", "b", "c", "d"]) {
    const startedAtMs = performance.now();
    const output = await runClient({
      runtime,
      args: ["codex", "PreToolUse"],
      input: JSON.stringify({ session_id: session }),
    });
    expect([output.code, performance.now() - startedAtMs < 10_000]).toEqual([0, true]);
    why.push(/\((.+?)\)/.exec(output.stdout)?.[1]);
  }
  expect(why).toEqual(["it answered 500", "it broke off", "it broke off", "it did not answer in time"]);
});

test.each(RUNTIMES)("%s: an agent that never closes its end stops nobody", async (runtime) => {
  await serve((response) => response.end("{}"));
  const output = await runClient({ runtime, args: ["gemini", "SessionEnd"], input: null });
  expect([output.code, output.stdout]).toEqual([0, "{}"]);
  expect(output.stderr).toContain("it did not answer in time");
});

test.each(RUNTIMES)("%s: a git hook tells what git told it, and its answer stops git", async (runtime) => {
  const seen = await serve((response) => {
    response.setHeader("canopy-exit", "1");
    response.end("held by ada\n");
  });
  const zero = "0".repeat(40);
  const id = "a".repeat(40);
  const output = await runClient({
    runtime,
    args: ["git", "reference-transaction", "prepared"],
    input: `${zero} ${id} refs/heads/main\n`,
    env: { GIT_DIR: "/r/.git", CLAUDE_CODE_SESSION_ID: 's"1', SECRET: "x" },
  });
  expect(output).toEqual({ code: 1, stdout: "", stderr: "held by ada\n" });
  expect(parseGitHookCall(seen[0]?.body)).toEqual({
    hook: "reference-transaction",
    args: ["prepared"],
    cwd: folder,
    env: { GIT_DIR: "/r/.git", CLAUDE_CODE_SESSION_ID: 's"1' },
    updates: [{ ref: "refs/heads/main", oldId: zero, newId: id }],
  });
});

test("a push tells the remote's refs", () => {
  const stdin = "refs/heads/x 1111 refs/heads/y 2222\n(delete) 0000 refs/heads/z 3333\n";
  expect(parseGitHookCall({ hook: "pre-push", args: ["origin", "url"], stdin, cwd: "/r" })?.updates).toEqual([
    { ref: "refs/heads/y", oldId: "2222", newId: "1111" },
    { ref: "refs/heads/z", oldId: "3333", newId: "0000" },
  ]);
  expect([parseGitHookCall("{"), parseGitHookCall({ hook: "" }), parseGitHookCall(null)]).toEqual([
    null,
    null,
    null,
  ]);
});

test("a folder whose path is too long for a socket is no hindrance", async () => {
  const deep = join(folder, ...Array.from({ length: 5 }, () => "a-rather-long-name-of-a-folder"));
  mkdirSync(deep, { recursive: true });
  const server = createServer((_, response) => response.end("found"));
  const before = process.cwd();
  mkdirSync(join(deep, "hook"));
  copyFileSync(join(CLIENT, "canopy-hook"), join(deep, "hook", "canopy-hook"));
  // A daemon has the short path of a folder in /tmp then, to which its own folder links.
  await new Promise<void>((resolve) => server.listen(join(folder, "short.sock"), resolve));
  symlinkSync(join(folder, "short.sock"), join(deep, "hook.sock"));
  cleanUps.push(() => new Promise<void>((resolve) => void server.close(() => resolve())));
  expect(Buffer.byteLength(join(deep, "hook.sock"))).toBeGreaterThan(108);
  const child = spawn("/bin/sh", [join(deep, "hook", "canopy-hook"), "claude", "Stop"], { env: process.env });
  let stdout = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stdin.end("{}");
  await new Promise((resolve) => child.on("close", resolve));
  expect([stdout, process.cwd()]).toEqual(["found", before]);
});

test("the test's PATH has no perl", async () => {
  const child = spawn("/bin/sh", ["-c", "command -v perl"], { env: { PATH: join(folder, NODE_ONLY) } });
  expect(await new Promise((resolve) => child.on("close", resolve))).not.toBe(0);
});
