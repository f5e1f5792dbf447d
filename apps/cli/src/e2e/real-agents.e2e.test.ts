import type { Dirent } from "node:fs";
import { mkdtemp, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createModelScript, startScriptedModel } from "@canopy/agents";
import type { ScriptedModel } from "@canopy/agents";
import { GEMINI_SETTINGS, findRealAgent, launchRealAgent } from "@canopy/testkit";
import type { RealAgentName } from "@canopy/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RunSummary } from "../run/summarize-run.ts";
import { createTestRepository, userGit } from "./create-test-repository.ts";
import { NOTHING_LEFT } from "./find-leftovers.ts";
import { openTestHome, parseJson } from "./open-test-home.ts";
import type { TestHome } from "./open-test-home.ts";
import { waitFor } from "./wait-for.ts";

/** Planted under names that no agent has any business with. */
const CANARY = "canary-5b1f07c2d94e";
/** Everything that a curious tool can look at: its environment, that of every process it sees, the user's HOME. */
const SNOOP =
  "(env; cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; cat ~/.canary-file) > snooped.txt 2>&1; cat snooped.txt";

let home: TestHome;
let model: ScriptedModel;
beforeAll(async () => {
  home = await openTestHome();
  model = await startScriptedModel();
  await writeFile(join(home.env["HOME"] ?? "", ".canary-file"), `key = ${CANARY}\n`);
});
afterAll(async () => {
  await model.close();
  const left = await home.shutDown();
  await home[Symbol.asyncDispose]();
  expect(left).toEqual(NOTHING_LEFT);
});

async function createProject(
  name: RealAgentName,
  program: string,
): Promise<{ cwd: string; env: Record<string, string> }> {
  const cwd = await mkdtemp(join(home.root, `with-${name}-`));
  const { driver, command, env, model: modelName } = launchRealAgent(name, program, model.url);
  const settings = join(home.root, "gemini-settings.json");
  await writeFile(settings, GEMINI_SETTINGS);
  const all = { ...env, GEMINI_CLI_SYSTEM_SETTINGS_PATH: settings };
  const [first, ...args] = command;
  const config = [
    // The scripted model listens on this machine's loopback, which the sandbox closes.
    "[sandbox]",
    'level = "process"',
    // The script in the prompt says nothing about conflicts: the task is done again on the new base.
    "[queue.hand_back]",
    "attempts = 0",
    "[queue.resolver]",
    "attempts = 0",
    "[retries.conflict]",
    "limit = 1",
    // An agent that waits for a task would be one more start with every task.
    "[run]",
    "warm = false",
    "[agents.real]",
    `driver = ${JSON.stringify(driver)}`,
    `command = ${JSON.stringify(first)}`,
    `args = ${JSON.stringify(args)}`,
    `env = ${JSON.stringify(Object.keys(all))}`,
    ...(modelName === null ? [] : [`model = ${JSON.stringify(modelName)}`]),
  ].join("\n");
  await createTestRepository(cwd, { "shared.txt": "start\n", ".canopy/config.toml": `${config}\n` });
  return { cwd, env: { ...all, SOME_OTHER_NAME: CANARY, AWS_SECRET_ACCESS_KEY: CANARY } };
}

/** Reads and then writes a file, as agents do that refuse to overwrite what they have not read. */
function rewrite(path: string, content: string): string {
  return createModelScript([
    { tool: "read", args: { path } },
    { tool: "bash", args: { command: SNOOP } },
    { tool: "write", args: { path, content }, delayMs: 1000 },
    { text: `wrote ${content}`, delayMs: 500 },
  ]);
}

/** All below a folder. What is thrown away may go while it is listed: then it is listed again. */
async function listAll(folder: string): Promise<Dirent[]> {
  return await waitFor("a folder that stays as it is", async () => {
    try {
      return await readdir(folder, { recursive: true, withFileTypes: true });
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
      throw error;
    }
  });
}

async function filesWith(folder: string, text: string): Promise<string[]> {
  const entries = await listAll(folder);
  const found: string[] = [];
  for (const entry of entries.filter((each) => each.isFile())) {
    const path = join(entry.parentPath, entry.name);
    const content = await readFile(path, "latin1").catch(() => "");
    if (content.includes(text)) found.push(path);
  }
  return found;
}

describe.each(["claude", "codex", "opencode", "gemini"] as const)("canopy run with the real %s", (name) => {
  const program = findRealAgent(name);

  test.skipIf(program === null)(
    "three tasks, two of them in conflict, land by its own edits; no secret goes anywhere",
    async () => {
      const { cwd, env } = await createProject(name, program ?? "");
      // A daemon takes the environment that it is started with.
      await home.canopy(["down"]);
      const script = createModelScript([
        { tool: "write", args: { path: "alone.txt", content: "alone\n" } },
        { text: "wrote alone" },
      ]);
      for (const [title, description] of [
        ["One", rewrite("shared.txt", "one\n")],
        ["Two", rewrite("shared.txt", "two\n")],
        ["Alone", script],
      ] as const) {
        await home.ask(["task", "add", title, "--description", description], { cwd, env });
      }
      const result = await home.canopy(["run", "-c", "3", "--agent", "real", "--json"], { cwd, env });
      const summary = parseJson<RunSummary>(result.stdout);
      expect([result.code, result.stderr.includes(CANARY), summary.failed, summary.conflicted]).toEqual([
        0,
        false,
        [],
        [],
      ]);
      expect(summary.landed.map((task) => task.title).toSorted()).toEqual(["Alone", "One", "Two"]);
      expect(await userGit(cwd, "show", "canopy/main:alone.txt")).toBe("alone");
      expect(["one", "two"]).toContain(await userGit(cwd, "show", "canopy/main:shared.txt"));
      const snooped = await userGit(cwd, "show", "canopy/main:snooped.txt");
      expect([snooped.includes("CANOPY_TASK_TITLE="), snooped.includes(CANARY)]).toEqual([true, false]);
      const stats = await home.ask<{ changesByState: Record<string, number> }>(["stats"], { cwd, env });
      expect(stats.changesByState["conflicted"]).toBe(1);
      const mine = model.requests.filter((request) => request.stepIndex !== null);
      expect(mine.length).toBeGreaterThan(0);
      expect(JSON.stringify(mine)).not.toContain(CANARY);
      const planted = [join(home.env["HOME"] ?? "", ".canary-file")];
      expect(await filesWith(home.root, CANARY)).toEqual(planted);
    },
  );
});
