import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { createModelScript, startScriptedModel } from "@canopy/agents";
import type { ScriptedModel } from "@canopy/agents";
import { findRealAgent } from "@canopy/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RunSummary } from "../run/summarize-run.ts";
import { createTestRepository, userGit } from "./create-test-repository.ts";
import { NOTHING_LEFT } from "./find-leftovers.ts";
import { openTestHome, parseJson } from "./open-test-home.ts";
import type { TestHome } from "./open-test-home.ts";
import { SANDBOX_WITH_LOOPBACK } from "./test-support/create-real-project.ts";
import { startProvider } from "./test-support/start-provider.ts";
import type { Provider } from "./test-support/start-provider.ts";

const execute = promisify(execFile);
const TOKEN = "sk-ant-oat01-canary-7b1e";

let home: TestHome;
let model: ScriptedModel;
let provider: Provider;
beforeAll(async () => {
  home = await openTestHome();
  model = await startScriptedModel();
  provider = await startProvider(model.url);
});
afterAll(async () => {
  await provider[Symbol.asyncDispose]();
  await model.close();
  const left = await home.shutDown();
  await home[Symbol.asyncDispose]();
  expect(left).toEqual(NOTHING_LEFT);
});

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text, { mode: 0o600 });
}

/** Files below Canopy's own folders that hold a text. */
async function search(text: string): Promise<string[]> {
  const { stdout } = await execute("grep", ["-rlsF", text, home.canopyHome]).catch(
    (error: { readonly stdout: string }) => error,
  );
  return stdout.split("\n").filter((line) => line !== "");
}

const program = findRealAgent("claude");

test.skipIf(program === null)(
  "the real claude works by a copy of its person's own login, without a key, and the copy is nowhere afterwards",
  async () => {
    const login = join(home.root, "home/.claude/.credentials.json");
    const credentials = JSON.stringify({
      claudeAiOauth: {
        accessToken: TOKEN,
        refreshToken: "sk-ant-ort01-canary",
        expiresAt: Date.UTC(2100, 0),
        scopes: ["user:inference", "user:profile"],
        subscriptionType: "max",
      },
    });
    await put(login, credentials);
    const names = [
      "ANTHROPIC_BASE_URL",
      "CLAUDE_CODE_MAX_RETRIES",
      "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    ];
    const agents = [
      "[agents.real]",
      'driver = "claude"',
      `command = ${JSON.stringify(program)}`,
      `env = ${JSON.stringify(names)}`,
    ];
    const own = join(home.canopyHome, "config/agents.toml");
    await put(own, `${agents.join("\n")}\n`);
    const cwd = join(home.root, "login");
    await createTestRepository(cwd, { ".canopy/config.toml": `${SANDBOX_WITH_LOOPBACK.join("\n")}\n` });
    const env = {
      ANTHROPIC_BASE_URL: provider.url,
      CLAUDE_CODE_MAX_RETRIES: "0",
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    };
    const script = createModelScript([
      { tool: "bash", args: { command: 'stat -c %a "$HOME/.claude/.credentials.json" > mode.txt' } },
      { text: "done" },
    ]);
    await home.ask(["task", "add", "Do it", "--description", script], { cwd, env });
    const run = async (): Promise<RunSummary> => {
      const args = ["run", "--agent", "real", "--max-retries", "0", "--json"];
      return parseJson<RunSummary>((await home.canopy(args, { cwd, env })).stdout);
    };
    // Without a word of theirs a person's login is theirs alone.
    expect((await run()).failed.map(({ detail }) => detail)).toEqual([
      expect.stringMatching(/^Not logged in .* or login = true for a copy of your own login, in /) as string,
    ]);
    await put(own, `${agents.join("\n")}\nlogin = true\n`);
    await home.ask(["task", "reopen", "1"], { cwd, env });
    const { failed, landed } = await run();
    expect([failed, landed.map(({ title }) => title)]).toEqual([[], ["Do it"]]);
    expect(await userGit(cwd, "show", "canopy/main:mode.txt")).toBe("600");
    expect([...provider.keys]).toEqual([`Bearer ${TOKEN}`]);
    expect(await readFile(login, "utf8")).toBe(credentials);
    await home.canopy(["down"]);
    expect(await search(TOKEN)).toEqual([]);
    // The search finds what is there.
    expect(await search("Not logged in")).not.toEqual([]);
  },
);
