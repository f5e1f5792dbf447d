import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createModelScript, startScriptedModel } from "@canopy/agents";
import type { ScriptedModel } from "@canopy/agents";
import type { AgentModelList, Prompt, Session, TranscriptEntry } from "@canopy/protocol";
import { DOT_PNG, findRealAgent } from "@canopy/testkit";
import { expect, test } from "vitest";
import { createTestRepository, userGit } from "./create-test-repository.ts";
import { NOTHING_LEFT } from "./find-leftovers.ts";
import { createGate, showGates } from "./open-gate.ts";
import { openTestHome } from "./open-test-home.ts";
import { SANDBOX_WITH_LOOPBACK, createRealProject } from "./test-support/create-real-project.ts";
import { waitFor } from "./wait-for.ts";

const program = findRealAgent("claude");

async function writeDot(folder: string): Promise<string> {
  const file = join(folder, "dot.png");
  await writeFile(file, Buffer.from(DOT_PNG, "base64"));
  return file;
}

test.skipIf(program === null)("people watch a session and ask more of it while it works", async () => {
  await using home = await openTestHome();
  const model = await startScriptedModel();
  const project = await createRealProject(home, {
    name: "claude",
    program: program ?? "",
    modelUrl: model.url,
    config: SANDBOX_WITH_LOOPBACK,
  });
  const script = createModelScript([
    { text: "I begin", tool: "bash", args: { command: "touch first.txt; while :; do sleep 1; done" } },
    { text: "never said" },
  ]);
  const dot = await writeDot(home.root);
  await home.ask(["task", "add", "Work", "--description", script, "--image", dot], project);
  const run = home.start(["run", "--agent", "real", "--json"], project);
  const session = await waitFor("a session at work", async () => {
    const { sessions } = await home.ask<{ sessions: Session[] }>(["session", "list"], project);
    return sessions.find(({ state }) => state === "active") ?? null;
  });
  const attached = home.start(["session", "attach", session.sessionId], project);
  await attached.waitForOutput(/I begin/);
  const more = (file: string): string =>
    createModelScript([{ tool: "bash", args: { command: `touch ${file}` } }, { text: `made ${file}` }]);
  const prompt = ["session", "prompt", session.sessionId];
  await home.ask([...prompt, "--image", dot, "Then", more("queued.txt")], project);
  await home.ask([...prompt, "--now", "Instead", more("now.txt")], project);
  const result = await run.finished;
  expect(result.code, result.stdout + result.stderr).toBe(0);
  const files = (await userGit(project.cwd, "ls-tree", "--name-only", "canopy/main")).split("\n");
  expect(files.filter((file) => /^(now|queued)/.test(file))).toEqual(["now.txt", "queued.txt"]);
  const watched = await attached.finished;
  expect(watched.code, watched.stderr).toBe(0);
  const seen = ["-- cancelled", "made queued.txt", "made now.txt", "-- ended: succeeded"].filter((text) =>
    watched.stdout.includes(text),
  );
  expect(seen, watched.stdout).toEqual(["made queued.txt", "made now.txt", "-- ended: succeeded"]);
  // The model saw one picture from the start, and a second one from the prompt that brought it.
  const pictures = model.requests.flatMap(({ request, stepIndex }) =>
    stepIndex === null || request === null ? [] : [request.images.map(({ base64 }) => base64)],
  );
  expect([pictures[0], pictures.at(-1)]).toEqual([[DOT_PNG], [DOT_PNG, DOT_PNG]]);
  const { prompts } = await home.ask<{ prompts: Prompt[] }>(["session", "show", session.sessionId], project);
  expect(prompts.map(({ images = [] }) => images.map(({ name }) => name))).toEqual([
    ["dot.png"],
    ["dot.png"],
    [],
  ]);
  const late = await home.canopy([...prompt, "too late"], project);
  expect([late.code, late.stderr.includes("is ended")]).toEqual([3, true]);
  await model.close();
  expect(await home.shutDown()).toEqual(NOTHING_LEFT);
});

test("a command is run once more for what people ask of it while it runs", async () => {
  await using home = await openTestHome();
  const cwd = join(home.root, "work");
  await createTestRepository(cwd);
  await showGates(cwd, home.root);
  const gate = await createGate(home.root);
  const dot = await writeDot(home.root);
  await home.ask(["task", "add", "Work", "--image", dot], { cwd });
  // It takes no pictures: it finds them as files, which are no part of its work.
  const look = "cat > prompt.txt; grep -o '/.*\\.canopy/images/.*png' prompt.txt | xargs -r cat >> seen.png";
  const command = `command:${look}; tail -n 1 prompt.txt >> asked.txt; ${gate.script}`;
  const run = home.start(["run", "--agent", command], { cwd });
  await gate.waitForArrivals(1);
  const { sessions } = await home.ask<{ sessions: Session[] }>(["session", "list"], { cwd });
  await home.ask(["session", "prompt", sessions[0]?.sessionId ?? "", "Do more"], { cwd });
  await gate.open();
  const result = await run.finished;
  expect(result.code, result.stdout + result.stderr).toBe(0);
  const asked = await userGit(cwd, "show", "canopy/main:asked.txt");
  expect(asked.split("\n").at(-1)).toBe("Do more");
  const found = await userGit(cwd, "rev-parse", "canopy/main:seen.png");
  expect(found).toBe(await userGit(cwd, "hash-object", dot));
  const files = (await userGit(cwd, "ls-tree", "-r", "--name-only", "canopy/main")).split("\n");
  expect(files.filter((file) => file.startsWith(".canopy/images"))).toEqual([]);
  const fork = ["session", "fork", sessions[0]?.sessionId ?? "", "Otherwise"];
  const refused = await home.canopy(fork, { cwd });
  expect([refused.code, /holds no conversation that a fork could begin with/.test(refused.stderr)]).toEqual([
    2,
    true,
  ]);
  expect(await home.shutDown()).toEqual(NOTHING_LEFT);
});

const openCode = findRealAgent("opencode");

test.skipIf(openCode === null)(
  "a model that the agent does not have is refused before anything",
  async () => {
    await using home = await openTestHome();
    const model = await startScriptedModel();
    const project = await createRealProject(home, {
      name: "opencode",
      program: openCode ?? "",
      modelUrl: model.url,
      config: SANDBOX_WITH_LOOPBACK,
    });
    const listed = await home.ask<AgentModelList>(["agent", "models", "real"], project);
    expect([listed.canList, listed.models.map(({ id }) => id).toSorted(), listed.alsoTakes]).toEqual([
      true,
      ["local/blind-1", "local/scripted-1"],
      [],
    ]);
    const says = /real has no model local\/scripted-2\n {2}the nearest are local\/scripted-1, /;
    for (const args of [
      ["run", "--agent", "real", "--model", "local/scripted-2"],
      ["run", "--agent", "real", "--resolver-model", "local/scripted-2"],
      ["task", "add", "Work", "--agent", "real", "--model", "local/scripted-2"],
    ]) {
      const refused = await home.canopy(args, project);
      expect([args, refused.code, says.test(refused.stderr)]).toEqual([args, 2, true]);
    }
    // What is not said for an agent is judged when there is one.
    await home.ask(["task", "add", "Work", "--model", "local/scripted-2"], project);
    const late = await home.canopy(["run", "--agent", "real"], project);
    expect([late.code, /model of task #1: real has no model/.test(late.stderr)]).toEqual([2, true]);
    const passedOn = await home.canopy(
      ["task", "update", "1", "--agent", "command:true", "--model", "any"],
      project,
    );
    expect([passedOn.code, /command:true does not say which models it has/.test(passedOn.stderr)]).toEqual([
      0,
      true,
    ]);
    expect(model.requests.filter(({ api }) => api !== null)).toEqual([]);
    await model.close();
    expect(await home.shutDown()).toEqual(NOTHING_LEFT);
  },
);

/** What the model was told when the prompt with these words came to it, from the beginning of the conversation. */
function heardBy(model: ScriptedModel, words: string): string {
  const asked = model.requests.filter(
    ({ request, stepIndex }) => stepIndex === 0 && JSON.stringify(request?.turns.at(-1)).includes(words),
  );
  return JSON.stringify(asked.map(({ request }) => [request?.system, request?.turns]));
}

test.skipIf(program === null)(
  "a session is forked while it works and when it is over, and knows nothing of it",
  async () => {
    await using home = await openTestHome();
    const model = await startScriptedModel();
    const project = await createRealProject(home, {
      name: "claude",
      program: program ?? "",
      modelUrl: model.url,
      config: SANDBOX_WITH_LOOPBACK,
    });
    const script = (words: string, command: string): string =>
      createModelScript([
        { text: words, tool: "bash", args: { command } },
        { text: `end of ${words}`, delayMs: 1500 },
      ]);
    await home.ask(
      ["task", "add", "Original", "--description", script("FIRST-WORDS", "echo one > one.txt")],
      project,
    );
    const run = home.start(["run", "--agent", "real", "--json"], project);
    const ids = async (): Promise<Session[]> =>
      (await home.ask<{ sessions: Session[] }>(["session", "list"], project)).sessions;
    const original = await waitFor(
      "a session at work",
      async () => (await ids()).find(({ state }) => state === "active") ?? null,
    );
    const early = await home.canopy(["session", "fork", original.sessionId, "Too early"], project);
    expect([early.code, /has not finished a turn yet/.test(early.stderr)]).toEqual([3, true]);
    const hang = "touch begun.txt; while :; do sleep 1; done";
    await home.ask(["session", "prompt", original.sessionId, script("SECOND-WORDS", hang)], project);
    await waitFor("the second turn", () =>
      Promise.resolve(heardBy(model, "SECOND-WORDS") === "[]" ? null : true),
    );
    const fork = async (words: string, command: string): Promise<number> => {
      const args = ["session", "fork", original.sessionId, words, "--prompt", script(words, command)];
      return (await home.ask<{ number: number }>(args, project)).number;
    };
    // The run that is at work takes it up.
    await fork("WHILE-IT-WORKS", "echo two > two.txt");
    await waitFor("the work of the fork", async () => {
      const { status } = await home.ask<{ status: string }>(["task", "show", "2"], project);
      return status === "closed" ? true : null;
    });
    expect(
      ["FIRST-WORDS", "SECOND-WORDS"].map((words) => heardBy(model, "WHILE-IT-WORKS").includes(words)),
    ).toEqual([true, false]);
    await home.ask(["session", "cancel", original.sessionId], project);
    await run.finished;
    // Its work did not land: the fork begins with that.
    const over = await fork("WHEN-IT-IS-OVER", "cat one.txt > three.txt");
    const last = await home.canopy(["run", "--agent", "real", "--task", String(over), "--json"], project);
    expect(last.code, last.stdout + last.stderr).toBe(0);
    expect(
      ["FIRST-WORDS", "SECOND-WORDS"].map((words) => heardBy(model, "WHEN-IT-IS-OVER").includes(words)),
    ).toEqual([true, true]);
    const files = (await userGit(project.cwd, "ls-tree", "--name-only", "canopy/main")).split("\n");
    expect(files.filter((file) => file.endsWith(".txt"))).toEqual([
      "begun.txt",
      "one.txt",
      "three.txt",
      "two.txt",
    ]);
    const notices: string[] = [];
    for (const { sessionId, forkOf } of await ids()) {
      if (forkOf === undefined) continue;
      const shown = await home.ask<{ entries: TranscriptEntry[] }>(["session", "show", sessionId], project);
      for (const { event } of shown.entries) if (event.type === "notice") notices.push(event.text);
    }
    const begins = `this begins with the conversation of ${original.sessionId}: the agent`;
    expect(notices.filter((text) => text.startsWith(begins))).toEqual([
      `${begins} was told our transcript of it`,
      `${begins} has copied it`,
    ]);
    await model.close();
    expect(await home.shutDown()).toEqual(NOTHING_LEFT);
  },
);
