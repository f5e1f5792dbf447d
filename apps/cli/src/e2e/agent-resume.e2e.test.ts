import { join } from "node:path";
import { createModelScript, startScriptedModel } from "@canopy/agents";
import type { ScriptedModel } from "@canopy/agents";
import type { Attempt, Session, TranscriptEntry } from "@canopy/protocol";
import { findRealAgent } from "@canopy/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { userGit } from "./create-test-repository.ts";
import { NOTHING_LEFT } from "./find-leftovers.ts";
import { killDaemon } from "./kill-daemon.ts";
import { openTestHome } from "./open-test-home.ts";
import type { CliOptions, TestHome } from "./open-test-home.ts";
import { SANDBOX_WITH_LOOPBACK, createRealProject } from "./test-support/create-real-project.ts";
import { listFiles } from "./test-support/list-files.ts";
import { waitFor } from "./wait-for.ts";

let home: TestHome;
let tries = 0;
let model: ScriptedModel;
const killed: number[] = [];
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

interface Shown {
  readonly session: Session;
  readonly entries: readonly TranscriptEntry[];
}

async function showOnlySession(options: CliOptions): Promise<Shown | null> {
  const { sessions } = await home.ask<{ sessions: Session[] }>(["session", "list"], options);
  const [session] = sessions;
  return session === undefined
    ? null
    : await home.ask<Shown>(["session", "show", session.sessionId], options);
}

/** The first time it never ends; when it is done again, it sees what it did before and ends at once. */
const HALF = "if [ -e half.txt ]; then echo again; else echo half > half.txt; while :; do sleep 1; done; fi";

describe.each(["claude", "codex", "opencode", "gemini"] as const)("the real %s", (name) => {
  const program = findRealAgent(name);

  test.skipIf(program === null)("goes on with its conversation when the daemon was killed", async () => {
    const project = await createRealProject(home, {
      name,
      program: program ?? "",
      modelUrl: model.url,
      config: SANDBOX_WITH_LOOPBACK,
      folder: `with-${name}-${++tries}`,
    });
    await home.canopy(["down"]);
    const script = createModelScript([
      { tool: "bash", args: { command: HALF } },
      { tool: "bash", args: { command: "echo whole > whole.txt" } },
      { text: "the end" },
    ]);
    await home.ask(["task", "add", "Long", "--description", script], project);
    const halves = async (): Promise<string[]> =>
      (await listFiles(join(home.canopyHome, "cache", "workspaces"))).filter((file) =>
        file.endsWith("/half.txt"),
      );
    const earlier = new Set(await halves());
    const run = home.start(["run", "--agent", "real", "--json"], project);
    await waitFor("the agent at work in its tool", async () => {
      return (await halves()).some((file) => !earlier.has(file)) ? true : null;
    });
    const before = model.requests.length;
    await killDaemon(home, killed);
    const ran = await run.finished;
    expect(ran.code, ran.stdout + ran.stderr).toBe(0);
    const { attempts } = await home.ask<{ attempts: Attempt[] }>(["task", "show", "1"], project);
    expect(attempts.map((attempt) => [attempt.state, attempt.sessionId])).toEqual([
      ["interrupted", attempts[0]?.sessionId],
      ["succeeded", attempts[0]?.sessionId],
    ]);
    const files = await userGit(project.cwd, "show", "--format=", "--name-only", "canopy/main");
    expect(files.split("\n").toSorted()).toEqual(["half.txt", "whole.txt"]);
    const shown = await showOnlySession(project);
    const notices = (shown?.entries ?? []).flatMap(({ event }) =>
      event.type === "notice" && event.text.includes("was told this transcript") ? [event.text] : [],
    );
    // Over ACP gemini finds no session again: it is told what our transcript has.
    expect(notices.length).toBe(name === "gemini" ? 1 : 0);
    const first = model.requests.slice(before).find((request) => request.stepIndex === 0);
    const heard = JSON.stringify(first?.request?.turns);
    expect(heard).toContain("You were cut off");
    expect(heard.split("while :; do sleep 1").length).toBeGreaterThan(2);
  });
});
