import { createModelScript, startScriptedModel } from "@canopy/agents";
import type { ScriptedModel } from "@canopy/agents";
import type { Attempt, TranscriptEntry } from "@canopy/protocol";
import { findRealAgent } from "@canopy/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RunSummary } from "../run/summarize-run.ts";
import { SANDBOX_WITH_LOOPBACK, createRealProject } from "./test-support/create-real-project.ts";
import { userGit } from "./create-test-repository.ts";
import { NOTHING_LEFT } from "./find-leftovers.ts";
import { openTestHome, parseJson } from "./open-test-home.ts";
import type { CliOptions, TestHome } from "./open-test-home.ts";

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

const CONFIG = [
  ...SANDBOX_WITH_LOOPBACK,
  "[validation]",
  "enabled = true",
  "[[validation.steps]]",
  'name = "made"',
  'command = "cat made.txt && echo checked-in-$PWD"',
];

interface Shown {
  readonly entries: readonly TranscriptEntry[];
}

/** What Canopy's tools answered in the session of a task, as its transcript has it. */
async function readToolOutputs(options: CliOptions, attempt: Attempt | undefined): Promise<string[]> {
  const shown = await home.ask<Shown>(["session", "show", attempt?.sessionId ?? ""], options);
  return shown.entries.flatMap(({ event }) => (event.type === "tool.ended" ? [event.tool.output ?? ""] : []));
}

describe.each(["claude", "codex", "opencode", "gemini"] as const)("the real %s in the sandbox", (name) => {
  const program = findRealAgent(name);

  test.skipIf(program === null)("uses Canopy's tools, and the next one knows what it told", async () => {
    const project = await createRealProject(home, {
      name,
      program: program ?? "",
      modelUrl: model.url,
      config: CONFIG,
      files: { "start.txt": "start\n", "AGENTS.md": "the-repository-says\n" },
    });
    const { cwd } = project;
    await home.canopy(["down"]);
    const script = createModelScript([
      { tool: "mcp:canopy:add_context", args: { kind: "learning", text: `the-mark-of-${name}` } },
      { tool: "mcp:canopy:run_checks", args: {} },
      { tool: "write", args: { path: "made.txt", content: "made\n" } },
      { tool: "mcp:canopy:run_checks", args: {} },
      { tool: "mcp:canopy:create_task", args: { title: "Found on the way", type: "chore" } },
      { tool: "mcp:canopy:submit_to_queue", args: { message: "Because it was missing." } },
      { tool: "mcp:canopy:finish", args: { summary: `made it (${name})` } },
      { text: "the end" },
    ]);
    await home.ask(["task", "add", "Make it", "--description", script], project);
    const run = ["run", "--agent", "real", "--json", "--task"];
    const ran = await home.canopy([...run, "1"], project);
    const summary = parseJson<RunSummary>(ran.stdout);
    expect([ran.code, summary.failed, summary.landed.map((task) => task.title)]).toEqual([
      0,
      [],
      ["Make it"],
    ]);
    expect(await userGit(cwd, "log", "-1", "--format=%B", "canopy/main")).toContain(
      "Make it\n\nBecause it was missing.",
    );
    const detail = await home.ask<{ attempts: Attempt[] }>(["task", "show", "1"], project);
    expect(detail.attempts.map((attempt) => attempt.summary)).toEqual([`made it (${name})`]);
    const found = await home.ask<{ tasks: { title: string }[] }>(["task", "list"], project);
    expect(found.tasks.map((task) => task.title)).toContain("Found on the way");
    const outputs = await readToolOutputs(project, detail.attempts[0]);
    // Over ACP gemini 0.61 tells only that a tool ended.
    if (name !== "gemini") {
      expect(outputs.filter((output) => output.includes("Some checks failed.")).length).toBe(1);
      expect(outputs.filter((output) => output.includes("All checks passed.")).length).toBe(1);
    }
    if (name !== "claude") return;
    const second = createModelScript([
      { tool: "write", args: { path: "b.txt", content: "b" } },
      { text: "x" },
    ]);
    await home.ask(["task", "add", "Then", "--description", second], project);
    const before = model.requests.length;
    await home.canopy([...run, "3"], project);
    const told = model.requests.slice(before).map(({ request }) => request);
    expect(JSON.stringify(told)).toContain("learning: the-mark-of-claude");
    // Claude reads no AGENTS.md by itself.
    expect(JSON.stringify(told)).toContain("the-repository-says");
  });
});
