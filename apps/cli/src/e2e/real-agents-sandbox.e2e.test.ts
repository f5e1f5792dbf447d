import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createModelScript, startScriptedModel } from "@canopy/agents";
import type { ScriptedModel } from "@canopy/agents";
import { GEMINI_SETTINGS, findRealAgent, launchRealAgent } from "@canopy/testkit";
import type { RealAgentLaunch, RealAgentName } from "@canopy/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RunSummary } from "../run/summarize-run.ts";
import { createTestRepository, userGit } from "./create-test-repository.ts";
import { NOTHING_LEFT } from "./find-leftovers.ts";
import { openTestHome, parseJson } from "./open-test-home.ts";
import type { TestHome } from "./open-test-home.ts";
import { startProvider } from "./test-support/start-provider.ts";
import type { Provider } from "./test-support/start-provider.ts";

const KEY = "sk-canary-9f31c2";

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

/** Codex with its usual provider, at the address that a person names. */
function launchAgent(name: RealAgentName, program: string): RealAgentLaunch {
  const launch = launchRealAgent(name, program, provider.url);
  if (name !== "codex") return launch;
  const [first, ...args] = launch.command;
  const isOwn = (arg: string | undefined): boolean => arg?.startsWith("model_provider") !== true;
  const usual = args.filter((arg, at) => isOwn(arg) && isOwn(args[at + 1]));
  return { ...launch, command: [first, ...usual], env: { OPENAI_BASE_URL: `${provider.url}/v1` } };
}

describe.each([
  ["claude", "ANTHROPIC_API_KEY"],
  ["codex", "OPENAI_API_KEY"],
  ["gemini", "GEMINI_API_KEY"],
] as const)("the real %s in the default sandbox", (name, variable) => {
  const program = findRealAgent(name);

  test.skipIf(program === null)("works with a key that it never holds", async () => {
    const cwd = join(home.root, `boxed-${name}`);
    const { driver, command, env, model: modelName } = launchAgent(name, program ?? "");
    const [first, ...args] = command;
    const settings = join(home.root, "gemini-settings.json");
    await writeFile(settings, GEMINI_SETTINGS);
    const all = { ...env, [variable]: KEY, GEMINI_CLI_SYSTEM_SETTINGS_PATH: settings };
    const folder = dirname(/^(.*\/node_modules)\//.exec(program ?? "")?.[1] ?? "/nowhere/node_modules");
    const config = [
      "[sandbox]",
      'credentials = "proxy"',
      // The agents lie in the home of whoever runs the tests, which is not this test's.
      `permit = ${JSON.stringify([folder])}`,
      `read_only = ${JSON.stringify([settings])}`,
      "[agents.real]",
      `driver = ${JSON.stringify(driver)}`,
      `command = ${JSON.stringify(first)}`,
      `args = ${JSON.stringify(args)}`,
      `env = ${JSON.stringify(Object.keys(all))}`,
      ...(modelName === null ? [] : [`model = ${JSON.stringify(modelName)}`]),
    ].join("\n");
    await createTestRepository(cwd, { "shared.txt": "start\n", ".canopy/config.toml": `${config}\n` });
    await home.canopy(["down"]);
    provider.keys.clear();
    const script = createModelScript([
      { tool: "bash", args: { command: "(env; cat /proc/[0-9]*/environ) > snooped.txt 2>&1" } },
      { tool: "write", args: { path: "done.txt", content: "done\n" } },
      { text: "done" },
    ]);
    await home.ask(["task", "add", "Do it", "--description", script], { cwd, env: all });
    const result = await home.canopy(["run", "--agent", "real", "--max-retries", "0", "--json"], {
      cwd,
      env: all,
    });
    const { failed, landed } = parseJson<RunSummary>(result.stdout);
    expect([failed, landed.map(({ title }) => title)]).toEqual([[], ["Do it"]]);
    expect(await userGit(cwd, "show", "canopy/main:done.txt")).toBe("done");
    const snooped = await userGit(cwd, "show", "canopy/main:snooped.txt");
    const isCodex = name === "codex";
    // Codex is told it, and keeps it out of its environment altogether.
    const shown = [snooped.includes(`${variable}=kept-by-canopy`), snooped.includes(KEY)];
    expect(shown).toEqual([!isCodex, false]);
    expect([...provider.keys]).toEqual([isCodex ? `Bearer ${KEY}` : KEY]);
  });
});
