import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createModelScript, startScriptedModel } from "@canopy/agents";
import type { ScriptedModel } from "@canopy/agents";
import { GEMINI_SETTINGS, REAL_AGENTS, findRealAgent, launchRealAgent, startRecorder } from "@canopy/testkit";
import type { RealAgentName, Recorder } from "@canopy/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { startHookDaemon } from "./contract/start-hook-daemon.ts";
import type { HookDaemon } from "./contract/start-hook-daemon.ts";
import type { HookCall } from "./events/hook-call.ts";
import { NO_REPLY } from "./replies/hook-reply.ts";
import type { HookReply } from "./replies/hook-reply.ts";
import { applyEdits } from "./setup/apply-edits.ts";
import { planSetup, planUninstall } from "./setup/plan-setup.ts";
import type { SetupRequest } from "./setup/setup-request.ts";

const TOKEN = "tok-for-hooks";
const REASON = "held.txt is held by ada for 3 more minutes";
const PROMPT_NEWS = "news-with-the-prompt";
const TOOL_NEWS = "news-with-a-tool";
const GO_ON = "bob waits for an answer";

let folder: string;
let work: string;
let model: ScriptedModel;
let recorder: Recorder;
let daemon: HookDaemon;
let hasKept: boolean;
let rested: PromiseWithResolvers<void>;
let ended: PromiseWithResolvers<void>;

/** As the room would: what ada holds is denied, news come with the prompt and with a read, and the first end of a turn is put off. */
function decide({ event }: HookCall): HookReply {
  if (event.type === "session-end") ended.resolve();
  if (event.type === "prompt") return { ...NO_REPLY, context: PROMPT_NEWS };
  if (
    event.type === "before-tool" &&
    event.intents.some(({ kind, path }) => kind !== "read" && path.endsWith("/held.txt"))
  )
    return { ...NO_REPLY, decision: "deny", reason: REASON };
  if (event.type === "after-tool") return { ...NO_REPLY, context: TOOL_NEWS };
  if (event.type !== "turn-end") return NO_REPLY;
  if (hasKept) {
    rested.resolve();
    return NO_REPLY;
  }
  hasKept = true;
  return { ...NO_REPLY, keepWorking: GO_ON };
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "canopy-real-hooks-"));
  work = join(folder, "work");
  for (const name of ["home", "tmp", "work"]) mkdirSync(join(folder, name));
  writeFileSync(join(work, "held.txt"), "ada's\n");
  hasKept = false;
  rested = Promise.withResolvers<void>();
  ended = Promise.withResolvers<void>();
  mkdirSync(join(folder, "home/.gemini"));
  writeFileSync(join(folder, "home/.gemini/settings.json"), GEMINI_SETTINGS);
  model = await startScriptedModel();
  recorder = await startRecorder(model.url);
  daemon = await startHookDaemon(join(folder, "state"), TOKEN, decide);
});

afterEach(async () => {
  await daemon[Symbol.asyncDispose]();
  await recorder[Symbol.asyncDispose]();
  await model.close();
  rmSync(folder, { recursive: true, force: true });
});

function requestFor(agent: RealAgentName): SetupRequest {
  return {
    agent,
    scope: "user",
    home: join(folder, "home"),
    env: {},
    projectRoot: null,
    stateDir: join(folder, "state"),
    http: { url: daemon.url, token: TOKEN },
    agentVersion: REAL_AGENTS.find(({ name }) => name === agent)?.version ?? null,
    mcp: null,
  };
}

const STEPS = [
  { tool: "write", args: { path: "held.txt", content: "mine" } },
  { tool: "bash", args: { command: "echo mine > held.txt" } },
  { tool: "write", args: { path: "free.txt", content: "mine" } },
  { tool: "bash", args: { command: "cat free.txt && mkdir -p sub && cd sub && touch made.txt" } },
  { text: "all done" },
];
/** Codex writes files by its shell; its patches are a tool of their own. */
const PATCH = { tool: "edit", args: { path: "held.txt", before: "ada's", after: "mine" } };

function promptFor(name: RealAgentName): string {
  return `Please. ${createModelScript(name === "codex" ? [PATCH, ...STEPS] : STEPS, "base64")}`;
}

const ARGUMENTS: Readonly<Record<RealAgentName, (prompt: string) => string[]>> = {
  claude: (prompt) => ["-p", prompt, "--permission-mode", "acceptEdits", "--allowedTools", "Bash"],
  codex: (prompt) => [
    "exec",
    "--json",
    "--skip-git-repo-check",
    "--dangerously-bypass-approvals-and-sandbox",
    "--dangerously-bypass-hook-trust",
    // A model that Codex knows to take patches.
    "-m",
    "gpt-5.5",
    prompt,
  ],
  gemini: (prompt) => ["-p", prompt, "--approval-mode", "yolo"],
  opencode: () => [],
};

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

function environmentFor(name: RealAgentName, program: string): Record<string, string> {
  return {
    ...launchRealAgent(name, program, recorder.url).env,
    PATH: process.env["PATH"] ?? "",
    HOME: join(folder, "home"),
    TMPDIR: join(folder, "tmp"),
    CANOPY_HOME: folder,
  };
}

async function run(name: RealAgentName, program: string): Promise<Ended> {
  const prompt = promptFor(name);
  const [command, ...base] = launchRealAgent(name, program, recorder.url).command;
  const args = [...base.filter((word) => word !== "--acp"), ...ARGUMENTS[name](prompt)];
  const child = spawn(command, args, { cwd: work, env: environmentFor(name, program), stdio: "pipe" });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stdin.end("");
  return new Promise((resolve) => {
    child.on("close", (code) => resolve({ code, output: Buffer.concat(chunks).toString() }));
  });
}

/** OpenCode takes port 0 for its usual one. */
async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise<void>((resolve) => void server.close(() => resolve()));
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** OpenCode as a server: `opencode run` ends with the first rest of its session, whatever a plugin still wants. */
async function runServer(program: string): Promise<Ended> {
  const env = environmentFor("opencode", program);
  const config: Record<string, unknown> = JSON.parse(env["OPENCODE_CONFIG_CONTENT"] ?? "{}");
  const content = JSON.stringify({ ...config, permission: { edit: "allow", bash: "allow" } });
  const child = spawn(program, ["serve", "--port", String(await findFreePort()), "--hostname", "127.0.0.1"], {
    cwd: work,
    env: { ...env, OPENCODE_CONFIG_CONTENT: content },
    stdio: "pipe",
  });
  child.stdin.end();
  let output = "";
  const url = await new Promise<string>((resolve, reject) => {
    child.on("close", () => reject(new Error(output)));
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => {
        output += chunk.toString();
        const found = /listening on (http:\S+)/.exec(output)?.[1];
        if (found !== undefined) resolve(found);
      });
  });
  const post = async (path: string, body: object): Promise<unknown> => {
    const query = `?directory=${encodeURIComponent(work)}`;
    const headers = { "content-type": "application/json" };
    const answer = await fetch(url + path + query, { method: "POST", headers, body: JSON.stringify(body) });
    return answer.json();
  };
  const session = z.object({ id: z.string() }).parse(await post("/session", {}));
  await post(`/session/${session.id}/message`, { parts: [{ type: "text", text: promptFor("opencode") }] });
  await rested.promise;
  // A server that is ended by a signal tells its plugins nothing; its sessions are then known to be over by the process.
  await fetch(`${url}/session/${session.id}?directory=${encodeURIComponent(work)}`, { method: "DELETE" });
  await ended.promise;
  child.kill("SIGTERM");
  const code = await new Promise<number | null>((resolve) => {
    child.on("close", resolve);
  });
  return { code, output };
}

/** Told by some agents only, or at no fixed place among the others. */
const ASIDE = new Set(["after-batch", "cwd-changed", "notification", "other"]);

/** What an agent told, in order; a tool's event with what it was about to do. */
function told(): string[] {
  return daemon.calls
    .filter(({ call }) => !ASIDE.has(call.event.type))
    .map(({ via, call: { event } }) => {
      const intents =
        event.type === "before-tool" || event.type === "after-tool"
          ? event.intents.map(({ kind, path }) => `${kind}:${path.slice(work.length + 1)}`)
          : [];
      return [via === "http" ? "http" : "", event.type, ...intents].filter((word) => word !== "").join(" ");
    });
}

const WORK = [
  "before-tool write:held.txt",
  "before-tool write:held.txt",
  "before-tool write:free.txt",
  "after-tool write:free.txt",
  "before-tool read:free.txt write:sub/made.txt",
  "after-tool read:free.txt write:sub/made.txt",
];
const REST = ["turn-end", "turn-end", "session-end"];
const TOLD: Readonly<Record<RealAgentName, readonly string[]>> = {
  claude: ["session-start", ...["prompt", ...WORK, ...REST].map((line) => `http ${line}`)],
  codex: ["session-start", "prompt", "before-tool write:held.txt", ...WORK, ...REST],
  // What a hook keeps working is told as a prompt of its own.
  gemini: ["session-start", "prompt", ...WORK, "turn-end", "prompt", "turn-end", "session-end"],
  opencode: ["session-start", "prompt", ...WORK, "turn-end", "prompt", "turn-end", "session-end"],
};

describe.each(REAL_AGENTS.map(({ name }) => name))("%s, for real", (name) => {
  const program = findRealAgent(name);
  test.skipIf(program === null)("is denied, reads why, hears the news, goes on, and rests", async () => {
    const request = requestFor(name);
    const settings = readFileSync(join(folder, "home/.gemini/settings.json"), "utf8");
    applyEdits(planSetup(request), request.stateDir);
    const result = name === "opencode" ? await runServer(program ?? "") : await run(name, program ?? "");
    const sent = recorder.sent();
    expect([told(), result.output]).toEqual([TOLD[name], result.output]);
    expect(readFileSync(join(work, "held.txt"), "utf8")).toBe("ada's\n");
    expect(readFileSync(join(work, "free.txt"), "utf8")).toContain("mine");
    const texts = [REASON, PROMPT_NEWS, TOOL_NEWS, GO_ON];
    expect(texts.filter((text) => !sent.includes(text))).toEqual([]);
    expect([
      daemon.refusedCount(),
      new Set(daemon.calls.map(({ call }) => call.nativeSessionId)).size,
    ]).toEqual([0, 1]);
    applyEdits(planUninstall(request), request.stateDir);
    expect(readFileSync(join(folder, "home/.gemini/settings.json"), "utf8")).toBe(settings);
  });
});
