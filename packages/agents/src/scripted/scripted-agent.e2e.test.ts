import { execFileSync } from "node:child_process";
import { lstat, mkdtemp, readFile, readlink, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { AgentEvent } from "@canopy/protocol";
import { EventCollector, findEventFaults, spawnLocal } from "@canopy/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { AgentTask, TurnResult } from "../agent-driver.ts";
import { createScriptedDriver } from "./scripted-driver.ts";

let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "canopy-scripted-"));
});

afterEach(() => rm(folder, { recursive: true }));

interface Play {
  readonly script?: unknown;
  readonly prompt?: string;
  readonly task?: Partial<AgentTask>;
}

async function play(options: Play): Promise<{ result: TurnResult; events: readonly AgentEvent[] }> {
  const scriptFile = options.script === undefined ? null : path.join(folder, "script.json");
  const text = typeof options.script === "string" ? options.script : JSON.stringify(options.script);
  if (scriptFile !== null) await writeFile(scriptFile, text);
  const task = {
    taskId: "tsk_1",
    title: "Add a parser",
    description: "d",
    sessionId: "ses_1",
    workspace: "/w",
  };
  const session = await createScriptedDriver({ scriptFile, graces: { endInputMs: 300, stopMs: 300 } }).start({
    spawn: spawnLocal,
    cwd: folder,
    env: { PATH: process.env["PATH"] ?? "", HOME: folder },
    model: null,
    systemAppend: null,
    mcpServers: [],
    permissionPolicy: "allow-all",
    resume: null,
    task: options.task === undefined ? null : { ...task, ...options.task },
    signal: new AbortController().signal,
  });
  const collector = new EventCollector(session.events);
  const result = await session.prompt(options.prompt ?? "go");
  await session.close();
  await collector.ended;
  expect(findEventFaults(collector.events)).toEqual([]);
  return { result, events: collector.events };
}

test("the steps that change files change them and tell each as a tool call", async () => {
  const steps = [
    { write: { path: "a/b c.txt", content: "one\n" } },
    { append: { path: "a/b c.txt", content: "two\n" } },
    { replace: { path: "a/b c.txt", find: "one", with: "$& 1" } },
    { write: { path: "old.bin", content: "AAEC/w==", encoding: "base64" } },
    { rename: { from: "old.bin", to: "deep/new.bin" } },
    { write: { path: "gone.txt", content: "x" } },
    { delete: { path: "gone.txt" } },
    { mkdir: { path: "empty" } },
    { symlink: { path: "link", target: "a/b c.txt" } },
    { chmod: { path: "a/b c.txt", mode: "755" } },
  ];
  const { result, events } = await play({ script: { version: 1, steps } });
  expect([result.reason, result.error]).toEqual(["end_turn", null]);
  expect(await readFile(path.join(folder, "a/b c.txt"), "utf8")).toBe("$& 1\ntwo\n");
  expect([...(await readFile(path.join(folder, "deep/new.bin")))]).toEqual([0, 1, 2, 255]);
  expect((await readdir(folder)).toSorted()).toEqual(["a", "deep", "empty", "link", "script.json"]);
  expect(await readlink(path.join(folder, "link"))).toBe("a/b c.txt");
  expect(((await lstat(path.join(folder, "a/b c.txt"))).mode & 0o777).toString(8)).toBe("755");
  const ended = events.filter((event) => event.type === "tool.ended").map((event) => event.tool);
  expect(ended.length).toBe(steps.length);
  expect(ended[1]?.diffs).toEqual([
    { path: path.join(folder, "a/b c.txt"), oldText: "one\n", newText: "one\ntwo\n" },
  ]);
});

test("shell, commit, plan, thought and tool steps are told", async () => {
  execFileSync("git", ["init", "--quiet", folder]);
  const steps = [
    { think: "hm" },
    { plan: [{ text: "first", state: "completed" }, { text: "second" }] },
    { tool: { kind: "search", title: "look", input: { q: 1 }, output: "found" } },
    { shell: "echo hello > f.txt; echo said; exit 3" },
    { commit: { message: "Add f" } },
  ];
  const { result, events } = await play({ script: { version: 1, steps } });
  expect([result.reason, result.error]).toEqual(["end_turn", null]);
  const log = execFileSync("git", ["-C", folder, "log", "--format=%an|%s", "--name-only"], {
    encoding: "utf8",
  });
  expect(log).toBe("Scripted Agent|Add f\n\nf.txt\nscript.json\n");
  const ended = events
    .filter((event) => event.type === "tool.ended")
    .map(({ tool }) => [tool.title, tool.state, tool.output]);
  expect(ended.slice(0, 2)).toEqual([
    ["look", "completed", "found"],
    ["echo hello > f.txt; echo said; exit 3", "failed", "said\n"],
  ]);
  expect(events.filter((event) => event.type === "plan" || event.type === "thought.done")).toEqual([
    { type: "thought.done", text: "hm" },
    {
      type: "plan",
      entries: [
        { text: "first", state: "completed", priority: "medium" },
        { text: "second", state: "pending", priority: "medium" },
      ],
    },
  ]);
});

test("a step that cannot be done fails the turn and says why", async () => {
  const { result } = await play({ script: { version: 1, steps: [{ delete: { path: "missing" } }] } });
  expect(result.reason).toBe("failed");
  expect(result.error?.message).toMatch(/^Delete missing: ENOENT/);
  const other = await play({
    script: { version: 1, steps: [{ shell: { command: "exit 2", expectExitCode: 0 } }] },
  });
  expect(other.result.error?.message).toBe("exit 2: expected exit code 0, got 2");
});

test("a streamed message arrives as it is", async () => {
  const text = "  The quick brown\nfox jumps over the lazy dog. \n";
  const { result } = await play({
    script: { version: 1, steps: [{ say: { text, chunkCount: 4, chunkMs: 1 } }] },
  });
  expect(result.lastMessage).toBe(text);
});

test("a script may differ by task and by attempt; the last attempt's steps serve all later ones", async () => {
  const script = {
    version: 1,
    steps: [{ say: "other" }],
    tasks: [
      { title: "add *", attempts: [[{ say: "first" }], [{ say: "second" }]] },
      { label: "docs", steps: [{ say: "documented" }] },
    ],
  };
  const said = async (task: Partial<AgentTask>): Promise<string> =>
    (await play({ script, task })).result.lastMessage;
  expect(await said({ attemptNumber: 1 })).toBe("first");
  expect(await said({ attemptNumber: 2 })).toBe("second");
  expect(await said({ attemptNumber: 9 })).toBe("second");
  expect(await said({ title: "Fix it", labels: ["docs", "x"] })).toBe("documented");
  expect(await said({ title: "Fix it" })).toBe("other");
});

test("a script in the prompt wins, JSON lines work, and the attempt may stand in the prompt", async () => {
  const script = { version: 1, steps: [{ say: "from the file" }] };
  const block = '```canopy-script\n{"version":1}\n{"say":"from "}\n{"say":"the prompt"}\n```';
  const { result } = await play({ script, prompt: `Task\n\n${block}\n\nthanks` });
  expect(result.lastMessage).toBe("the prompt");
  const attempts = JSON.stringify({ version: 1, attempts: [[{ say: "one" }], [{ say: "two" }]] });
  const prompt = `Attempt 2\n\`\`\`canopy-script\n${attempts}\n\`\`\``;
  expect((await play({ prompt })).result.lastMessage).toBe("two");
});

test("without a script it writes a note that follows from the prompt alone", async () => {
  const prompt = "# Task: Parse the Ünicode names!\n\nDo it well.";
  const first = await play({ prompt });
  expect(first.result).toMatchObject({
    reason: "end_turn",
    lastMessage: "Wrote notes/parse-the-u-nicode-names.md.",
  });
  const file = path.join(folder, "notes/parse-the-u-nicode-names.md");
  const content = await readFile(file, "utf8");
  expect(content).toMatch(
    /^# Parse the Ünicode names!\n\nDone by the scripted agent\. Prompt [0-9a-f]{8}, attempt 1\.\n$/,
  );
  await play({ prompt });
  expect(await readFile(file, "utf8")).toBe(content);
});

test.each([
  [{ version: 2 }, /version/],
  [{ version: 1, steps: [{ sya: "x" }] }, /steps\.0.*a step has exactly one name of: say, .*; found sya/],
  [{ version: 1, steps: [{ write: { path: "a" } }] }, /steps\.0\.write\.content/],
  [{ version: 1, stpes: [] }, /stpes/],
  ['{"version":1}\n{"say": oops}', /script\.json, line 2: not JSON/],
])("a wrong script %j is refused with its place", async (script, message) => {
  await expect(play({ script })).rejects.toMatchObject({
    code: "agent.failed",
    message: expect.stringMatching(message),
  });
});
