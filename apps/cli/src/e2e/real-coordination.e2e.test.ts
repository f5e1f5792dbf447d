import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createModelScript, startScriptedModel } from "@canopy/agents";
import type { ScriptedModel } from "@canopy/agents";
import { findRealAgent, launchRealAgent, startRecorder } from "@canopy/testkit";
import type { RealAgentName, Recorder } from "@canopy/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTestRepository } from "./create-test-repository.ts";
import { NOTHING_LEFT } from "./find-leftovers.ts";
import { openTestHome } from "./open-test-home.ts";
import type { TestHome } from "./open-test-home.ts";
import { waitFor } from "./wait-for.ts";

const BIN = join(import.meta.dirname, "../../bin");

let home: TestHome;
let model: ScriptedModel;
let recorder: Recorder;
let port: number;

/** Http hooks are told their port beforehand, so it cannot be any. */
async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise<void>((resolve) => void server.close(() => resolve()));
  return typeof address === "object" && address !== null ? address.port : 0;
}

beforeAll(async () => {
  home = await openTestHome();
  model = await startScriptedModel();
  recorder = await startRecorder(model.url);
  port = await findFreePort();
  await home.canopy(["up", "--port", String(port)]);
});
afterAll(async () => {
  await recorder[Symbol.asyncDispose]();
  await model.close();
  const left = await home.shutDown();
  await home[Symbol.asyncDispose]();
  expect(left).toEqual(NOTHING_LEFT);
});

const ARGUMENTS: Readonly<Record<Exclude<RealAgentName, "gemini">, (prompt: string) => string[]>> = {
  claude: (prompt) => ["-p", prompt, "--permission-mode", "acceptEdits", "--allowedTools", "Bash"],
  codex: (prompt) => [
    "exec",
    "--skip-git-repo-check",
    "--dangerously-bypass-approvals-and-sandbox",
    "--dangerously-bypass-hook-trust",
    "-m",
    "scripted-1",
    prompt,
  ],
  opencode: (prompt) => ["run", prompt],
};

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** The agent as a person would start it in a terminal. */
function startAgent(
  name: Exclude<RealAgentName, "gemini">,
  program: string,
  cwd: string,
  prompt: string,
): Promise<Ended> {
  const launch = launchRealAgent(name, program, recorder.url);
  const [command, ...base] = launch.command;
  const env: Record<string, string> = { ...home.env, ...launch.env, CANOPY_PORT: String(port) };
  env["PATH"] = `${BIN}:${home.env["PATH"] ?? ""}`;
  if (name === "opencode") {
    const config = JSON.parse(env["OPENCODE_CONFIG_CONTENT"] ?? "{}") as Record<string, unknown>;
    env["OPENCODE_CONFIG_CONTENT"] = JSON.stringify({
      ...config,
      permission: { edit: "allow", bash: "allow" },
    });
  }
  const child = spawn(command, [...base, ...ARGUMENTS[name](prompt)], {
    cwd,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  return new Promise((resolve) => {
    child.on("close", (code) => resolve({ code, output }));
  });
}

interface Feed {
  readonly feed: readonly { readonly kind: string; readonly text: string }[];
}

async function countRefusals(cwd: string): Promise<number> {
  const { feed } = await home.ask<Feed>(["explain", "--limit", "1000"], { cwd });
  return feed.filter(({ kind }) => kind === "refused").length;
}

describe.each(["claude", "codex", "opencode"] as const)("two %s that nobody started together", (name) => {
  const program = findRealAgent(name);
  test.skipIf(program === null)(
    "[N17] edit one file: the second is denied, reads why, waits, is woken, and edits",
    { timeout: 150_000 },
    async () => {
      const cwd = await mkdtemp(join(home.root, `two-${name}-`));
      await createTestRepository(cwd, { "README.md": "x\n" });
      const set = await home.canopy(["setup", name], {
        cwd,
        env: {
          CANOPY_PORT: String(port),
          PATH: `${program?.replace(/\/[^/]*$/, "") ?? ""}:${home.env["PATH"] ?? ""}`,
        },
      });
      expect(set.code, set.stderr).toBe(0);
      const gate = join(cwd, "gate.log");
      const path = name === "codex" ? "shared.txt" : join(cwd, "shared.txt");
      const first = createModelScript(
        [
          { tool: "write", args: { path, content: "first" } },
          {
            tool: "bash",
            args: {
              command: `n=0; while [ ! -e '${gate}' ] && [ $n -lt 900 ]; do sleep 0.1; n=$((n + 1)); done`,
            },
          },
          { text: "first is done" },
        ],
        "base64",
      );
      const second = createModelScript(
        [
          { tool: "write", args: { path, content: "second" } },
          { tool: "bash", args: { command: `${BIN}/canopy wait claim:shared.txt --timeout 90s` } },
          { tool: "read", args: { path } },
          { tool: "write", args: { path, content: "second" } },
          { text: "second is done" },
        ],
        "base64",
      );
      const one = startAgent(name, program ?? "", cwd, `Please. ${first}`);
      await waitFor("the first agent's edit", async () => {
        const { claims } = await home.ask<{ claims: unknown[] }>(["claims"], { cwd });
        return claims.length > 0 ? true : null;
      });
      const sentBefore = recorder.sent().length;
      const two = startAgent(name, program ?? "", cwd, `Please. ${second}`);
      await waitFor("the second agent's wait", async () => {
        const { waits } = await home.ask<{ waits: unknown[] }>(["claims"], { cwd });
        return waits.length > 0 ? true : null;
      });
      expect(await readFile(join(cwd, "shared.txt"), "utf8")).toContain("first");
      expect(await countRefusals(cwd)).toBeGreaterThan(0);
      await writeFile(gate, "");
      const [ended, woken] = await Promise.all([one, two]);
      expect([ended.code, woken.code], `${ended.output}\n${woken.output}`).toEqual([0, 0]);
      expect(await readFile(join(cwd, "shared.txt"), "utf8"), woken.output).toContain("second");
      const sent = recorder.sent().slice(sentBefore);
      expect(sent).toContain(`@${name}-`);
      expect(sent).toMatch(/holds shared\.txt \(exclusive\)/);
      expect(sent).toContain("satisfied: shared.txt is free");
    },
  );
});
