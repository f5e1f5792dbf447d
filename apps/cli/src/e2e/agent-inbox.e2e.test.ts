import { join } from "node:path";
import { createModelScript, startScriptedModel } from "@canopy/agents";
import type { ScriptedModel } from "@canopy/agents";
import type { Attempt, Inquiry } from "@canopy/protocol";
import { findRealAgent } from "@canopy/testkit";
import type { RealAgentName } from "@canopy/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RunSummary } from "../run/summarize-run.ts";
import { userGit } from "./create-test-repository.ts";
import { NOTHING_LEFT } from "./find-leftovers.ts";
import { matchShape, readShapes } from "./match-shape.ts";
import { openTestHome, parseJson } from "./open-test-home.ts";
import type { TestHome } from "./open-test-home.ts";
import { SANDBOX_WITH_LOOPBACK, createRealProject } from "./test-support/create-real-project.ts";
import type { RealProject } from "./test-support/create-real-project.ts";
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

const hasClaude = findRealAgent("claude") !== null;
const hasCodex = findRealAgent("codex") !== null;
const SHAPES = join(import.meta.dirname, "../../../../docs/cli-json.md");
const RUN = ["run", "--agent", "real", "--json"];
type Steps = Parameters<typeof createModelScript>[0];

function write(path: string): Steps[number] {
  return { tool: "write", args: { path, content: `${path}\n` } };
}

async function openProject(
  name: RealAgentName,
  folder: string,
  config: readonly string[],
  steps: Steps,
): Promise<RealProject> {
  const program = findRealAgent(name) ?? "";
  const project = await createRealProject(home, {
    name,
    program,
    modelUrl: model.url,
    folder,
    config: [...SANDBOX_WITH_LOOPBACK, ...config],
  });
  await home.canopy(["down"]);
  // A script with another in it would end where that one does.
  const encoding = steps.some(({ tool }) => tool === "Agent") ? "base64" : "json";
  await home.ask(["task", "add", "Work", "--description", createModelScript(steps, encoding)], project);
  return project;
}

async function readInbox(project: RealProject): Promise<Inquiry[]> {
  return (await home.ask<{ inquiries: Inquiry[] }>(["inbox"], project)).inquiries;
}

async function waitForInquiry(project: RealProject): Promise<Inquiry> {
  return await waitFor("something in the inbox", async () => (await readInbox(project))[0] ?? null);
}

async function readAttempts(project: RealProject): Promise<Attempt[]> {
  return (await home.ask<{ attempts: Attempt[] }>(["task", "show", "1"], project)).attempts;
}

async function readFiles(project: RealProject): Promise<string[]> {
  return (await userGit(project.cwd, "ls-tree", "--name-only", "canopy/main")).split("\n");
}

/** What Claude is told to have an agent of its own do. */
const CHILD = {
  description: "Child's work",
  prompt: createModelScript(
    [{ tool: "bash", args: { command: "touch child.txt" } }, { text: "ok" }],
    "base64",
  ),
  subagent_type: "general-purpose",
};

test.skipIf(!hasClaude)(
  "leave is asked of a person by rule, and given or refused from the command line",
  async () => {
    const rules = [
      "[permissions]",
      'policy = "deny"',
      "[[permissions.rules]]",
      'decision = "ask"',
      'title = "touch *"',
      "[[permissions.rules]]",
      'decision = "allow"',
      'kinds = ["edit"]',
    ];
    const project = await openProject("claude", "permissions", rules, [
      { tool: "bash", args: { command: "touch yes.txt" } },
      { tool: "bash", args: { command: "touch no.txt" } },
      { tool: "bash", args: { command: "mkdir never && touch never/x" } },
      { tool: "Agent", args: CHILD },
      write("edited.txt"),
      { tool: "mcp:canopy:finish", args: { summary: "our own tools need no leave" } },
      { text: "done" },
    ]);
    const run = home.start(RUN, project);
    const first = await waitForInquiry(project);
    expect([first.kind, first.text]).toEqual(["permission", expect.stringContaining("touch yes.txt")]);
    await home.ask(["answer", first.inquiryId, "--allow"], project);
    const second = await waitForInquiry(project);
    expect(second.text).toContain("touch no.txt");
    const refused = await home.ask(["answer", second.inquiryId.slice(4), "--deny"], project);
    expect(matchShape(await readShapes(SHAPES), "Answered", refused)).toEqual([]);
    // What its own agent asks comes through its session, and that one's work is waited for.
    const third = await waitForInquiry(project);
    expect([third.sessionId, third.text, third.subAgent?.name]).toEqual([
      first.sessionId,
      expect.stringContaining("touch child.txt"),
      "Child's work (general-purpose)",
    ]);
    const shown = await home.canopy(["session", "show", first.sessionId], project);
    expect(shown.stdout).toContain(`${third.inquiryId}  permission  ${first.sessionId}`);
    expect(shown.stdout).toContain("asked by its agent: Child's work");
    await home.ask(["answer", third.inquiryId, "--allow"], project);
    const result = await run.finished;
    expect(result.code, result.stdout + result.stderr).toBe(0);
    const files = await readFiles(project);
    expect(files.filter((file) => /^(yes|no|never|edited|child)/.test(file))).toEqual([
      "child.txt",
      "edited.txt",
      "yes.txt",
    ]);
    expect((await readAttempts(project)).map((attempt) => attempt.summary)).toEqual([
      "our own tools need no leave",
    ]);
  },
);

test.skipIf(!hasClaude)(
  "a question parks the task; the answer resumes the same session in a later run",
  async () => {
    const project = await openProject(
      "claude",
      "questions",
      ["[permissions]", 'question_wait = "1s"'],
      [write("before.txt"), { tool: "ask", args: { question: "Tabs or spaces?" } }, { text: "never said" }],
    );
    const parked = await home.canopy(RUN, project);
    const summary = parseJson<RunSummary>(parked.stdout);
    expect([parked.code, summary.failed, summary.left.map((task) => task.detail)]).toEqual([
      1,
      [],
      ["it waits for your answer: canopy inbox"],
    ]);
    const [inquiry] = await readInbox(project);
    expect([inquiry?.kind, inquiry?.text]).toEqual(["question", "Tabs or spaces?"]);
    const answer = `yes ${createModelScript([write("after.txt"), { text: "done" }])}`;
    await home.ask(["answer", inquiry?.inquiryId ?? "", answer], project);
    expect(await readInbox(project)).toEqual([]);
    const before = model.requests.length;
    const result = await home.canopy(RUN, project);
    expect(result.code, result.stdout + result.stderr).toBe(0);
    const attempts = await readAttempts(project);
    expect(attempts.map(({ state, sessionId }) => [state, sessionId])).toEqual([
      ["interrupted", attempts[0]?.sessionId],
      ["succeeded", attempts[0]?.sessionId],
    ]);
    expect((await readFiles(project)).filter((file) => /before|after/.test(file))).toEqual([
      "after.txt",
      "before.txt",
    ]);
    const heard = JSON.stringify(model.requests.slice(before).map(({ request }) => request?.turns));
    expect([heard.includes("The answer of"), heard.includes("before.txt")]).toEqual([true, true]);
  },
);

test.skipIf(!hasCodex)(
  "an agent without questions of its own asks by Canopy's tool, and is answered at once",
  async () => {
    const project = await openProject(
      "codex",
      "tool-question",
      ["[permissions]", 'question_wait = "1m"'],
      [
        { tool: "mcp:canopy:ask_person", args: { question: "Which name?", options: ["a.txt", "b.txt"] } },
        write("named.txt"),
        { text: "done" },
      ],
    );
    const run = home.start(RUN, project);
    const inquiry = await waitForInquiry(project);
    expect((await home.canopy(["inbox"], project)).stdout).toContain("answers: a.txt, b.txt");
    await home.ask(["answer", inquiry.inquiryId, "a.txt"], project);
    const result = await run.finished;
    expect(result.code, result.stdout + result.stderr).toBe(0);
    expect((await readAttempts(project)).length).toBe(1);
    const detail = await home.ask<{ comments: { text: string }[] }>(["task", "show", "1"], project);
    expect(detail.comments.map((comment) => comment.text)).toEqual(["Asked: Which name?\nAnswer: a.txt"]);
  },
);

test.skipIf(!hasClaude)(
  "at its budget's end the work asks, and stays where it is when it is refused",
  async () => {
    const config = ["[budgets]", 'at_limit = "ask"', "[budgets.task]", "turns = 2"];
    const steps = ["1", "2", "3"].map((name) => ({
      tool: "bash",
      args: { command: `touch ${name}.txt; sleep 0.5` },
    }));
    const project = await openProject("claude", "budget-ask", config, [...steps, { text: "done" }]);
    const parked = await home.canopy(RUN, project);
    expect(parseJson<RunSummary>(parked.stdout).left.length, parked.stdout).toBe(1);
    const [inquiry] = await readInbox(project);
    expect([inquiry?.kind, inquiry?.text]).toEqual([
      "budget",
      "the task's budget is used up: 2 of 2 steps. Go on with as much again?",
    ]);
    await home.ask(["answer", inquiry?.inquiryId ?? "", "--deny"], project);
    expect((await home.canopy(RUN, project)).code).toBe(0);
    expect((await readAttempts(project)).length).toBe(1);
  },
);

test.skipIf(!hasClaude)(
  "at its budget's end the work goes on with a cheaper model, in the same session",
  async () => {
    const config = [
      "[budgets]",
      'at_limit = "cheaper"',
      'cheaper_model = "claude-haiku-cheap"',
      "[budgets.session]",
      "turns = 3",
    ];
    const command = "if [ -e first ]; then touch second; else touch first; fi; sleep 0.3";
    const steps = ["1", "2"].map((name) => ({
      tool: "bash",
      args: { command: `${command}; touch ${name}` },
    }));
    const project = await openProject("claude", "budget-cheaper", config, [
      ...steps,
      { tool: "bash", args: { command: "while [ ! -e second ]; do :; done; sleep 30" } },
      { text: "done" },
    ]);
    const before = model.requests.length;
    const result = await home.canopy(RUN, project);
    expect(result.stdout).not.toContain("budget is used up");
    const models = new Set(model.requests.slice(before).flatMap(({ request }) => request?.model ?? []));
    expect([...models].filter((name) => name === "claude-haiku-cheap")).toEqual(["claude-haiku-cheap"]);
    const attempts = await readAttempts(project);
    expect(attempts.map((attempt) => attempt.state)).toEqual(["succeeded"]);
  },
);
