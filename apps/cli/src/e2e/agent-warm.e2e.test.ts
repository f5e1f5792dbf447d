import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { createModelScript, startScriptedModel } from "@canopy/agents";
import type { ScriptedModel } from "@canopy/agents";
import type { Attempt, TranscriptEntry } from "@canopy/protocol";
import { findRealAgent } from "@canopy/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { userGit } from "./create-test-repository.ts";
import { NOTHING_LEFT, findProcessesOf } from "./find-leftovers.ts";
import { killDaemon } from "./kill-daemon.ts";
import { openTestHome } from "./open-test-home.ts";
import type { CliOptions, TestHome } from "./open-test-home.ts";
import { SANDBOX_WITH_LOOPBACK, createRealProject } from "./test-support/create-real-project.ts";
import { listFiles } from "./test-support/list-files.ts";
import { waitFor } from "./wait-for.ts";

let home: TestHome;
let model: ScriptedModel;
beforeAll(async () => {
  home = await openTestHome();
  model = await startScriptedModel();
});
afterAll(async () => {
  await model.close();
  const left = await home.shutDown();
  await home[Symbol.asyncDispose]();
  expect(left).toEqual(NOTHING_LEFT);
});

const ENV_FILE = "env.txt";

/** The variables that tools of the second task saw. The first task changes nothing, so that the branch stays where it is. */
async function runTwo(options: CliOptions, description: string): Promise<Record<string, string>> {
  await home.canopy(["down"]);
  await home.ask(["task", "add", "Look", "--description", createModelScript([{ text: "seen" }])], options);
  await home.ask(["task", "add", "It's $HOME `x`\nof", "--description", description], options);
  const ran = await home.canopy(["run", "-c", "1", "--agent", "real", "--json"], options);
  expect(ran.code, ran.stdout + ran.stderr).toBe(0);
  const text = await userGit(options.cwd ?? "", "show", `canopy/main:${ENV_FILE}`);
  return Object.fromEntries(text.split("\n").map((line) => line.split(/=(.*)/s).slice(0, 2)));
}

const LIST = { command: `env | grep -e ^CANOPY_ -e sk-local > ${ENV_FILE}` };

// OpenCode starts for long; that it can be prepared is shown by the conformance suite.
describe.each(["claude", "codex", "gemini"] as const)("the real %s", (name) => {
  const program = findRealAgent(name);

  test.skipIf(program === null)("waits for its task in a workspace, and knows it when it comes", async () => {
    const project = await createRealProject(home, {
      name,
      program: program ?? "",
      modelUrl: model.url,
      config: SANDBOX_WITH_LOOPBACK,
      isWarm: true,
    });
    const before = model.requests.length;
    const script = createModelScript([
      { tool: "mcp:canopy:add_context", args: { kind: "learning", text: "told-by-the-second" } },
      { tool: "bash", args: LIST },
      { text: "the end" },
    ]);
    const seen = await runTwo(project, script);
    const { attempts } = await home.ask<{ attempts: Attempt[] }>(["task", "show", "2"], project);
    expect(attempts.map((attempt) => attempt.state)).toEqual(["succeeded"]);
    expect({ ...seen, CANOPY_ATTEMPT: seen["CANOPY_ATTEMPT"]?.slice(0, 5) }).toMatchObject({
      CANOPY_ATTEMPT: "warm-",
      CANOPY_TASK_ID: attempts[0]?.taskId,
      CANOPY_SESSION_ID: attempts[0]?.sessionId,
      CANOPY_TASK_TITLE: "It's $HOME `x`",
      CANOPY_ATTEMPT_NUMBER: "1",
    });
    const keys = Object.keys(seen).filter(
      (key) => !key.startsWith("CANOPY_") && seen[key]?.includes("sk-local"),
    );
    expect(keys).toEqual([]);
    const asked = model.requests.slice(before).filter((request) => request.stepIndex === 0);
    const told = new Set(asked.map(({ request }) => JSON.stringify(request).includes("several agents")));
    expect([asked.length > 1, [...told]]).toEqual([true, [true]]);
    const shown = await home.ask<{ entries: TranscriptEntry[] }>(
      ["session", "show", attempts[0]?.sessionId ?? ""],
      project,
    );
    const ended = shown.entries.flatMap(({ event }) =>
      event.type === "tool.ended" ? [event.tool.state] : [],
    );
    expect(ended).toEqual(["completed", "completed"]);
    await waitFor("nobody waits any more", async () => {
      const left = await readdir(join(home.canopyHome, "cache", "workspaces"));
      return left.length === 0 ? true : null;
    });
  });
});

/** The first time it never ends; when it is done again, it sees what it did before and ends at once. */
const HALF = "if [ -e half.txt ]; then echo again; else echo half > half.txt; while :; do sleep 1; done; fi";

test.skipIf(findRealAgent("claude") === null)(
  "one that waits when the daemon is killed leaves nothing",
  async () => {
    const project = await createRealProject(home, {
      name: "claude",
      program: findRealAgent("claude") ?? "",
      modelUrl: model.url,
      config: SANDBOX_WITH_LOOPBACK,
      folder: "killed",
      isWarm: true,
    });
    await home.canopy(["down"]);
    const script = createModelScript([{ tool: "bash", args: { command: HALF } }, { text: "the end" }]);
    await home.ask(["task", "add", "Long", "--description", script], project);
    const next = createModelScript([
      { tool: "bash", args: { command: "echo next > next.txt" } },
      { text: "x" },
    ]);
    // It is for this one that an agent waits.
    await home.ask(["task", "add", "Next", "--description", next], project);
    const run = home.start(["run", "-c", "1", "--agent", "real", "--json"], project);
    const workspaces = join(home.canopyHome, "cache", "workspaces");
    const waiting = await waitFor("an agent that waits beside one at work", async () => {
      const files = await listFiles(workspaces);
      const name = (await readdir(workspaces)).find((each) => each.startsWith("warm-"));
      if (name === undefined || !files.some((file) => file.endsWith("/half.txt"))) return null;
      const processes = await findProcessesOf(name);
      return processes.some(({ command }) => command.includes("--input-format")) ? name : null;
    });
    await killDaemon(home, []);
    const ran = await run.finished;
    expect(ran.code, ran.stdout + ran.stderr).toBe(0);
    const left = async (): Promise<readonly unknown[]> => [
      ...(await findProcessesOf(waiting)),
      ...(await listFiles(home.canopyHome)).filter((file) => file.includes(waiting)),
    ];
    await waitFor("nothing of it", async () => ((await left()).length === 0 ? true : null), 10_000).catch(
      () => null,
    );
    expect(await left()).toEqual([]);
  },
);

test.skipIf(findRealAgent("claude") === null)("nobody waits where it is switched off", async () => {
  const project = await createRealProject(home, {
    name: "claude",
    program: findRealAgent("claude") ?? "",
    modelUrl: model.url,
    config: SANDBOX_WITH_LOOPBACK,
  });
  const seen = await runTwo(project, createModelScript([{ tool: "bash", args: LIST }, { text: "the end" }]));
  expect(seen["CANOPY_ATTEMPT"]?.slice(0, 4)).toBe("att_");
});
