import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createBdTaskSource, probeBd } from "./bd-task-source.ts";
import type { BdOptions } from "./run-bd.ts";
import type { TaskSource } from "./task-source.ts";

let folder = "";
let warnings: string[] = [];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "canopy-bd-"));
  warnings = [];
});

afterEach(() => rm(folder, { recursive: true }));

const LIVE = new AbortController().signal;

/** How the fake answers calls whose arguments begin with these words. */
interface Rule {
  readonly words: readonly string[];
  readonly out?: string;
  readonly err?: string;
  readonly code?: number;
}

const UNKNOWN_FLAG = { err: "Error: unknown flag: --x", code: 1 };

function options(): BdOptions {
  const bin = path.dirname(process.execPath);
  return { cwd: folder, env: { PATH: `${folder}:${bin}:/usr/bin:/bin`, FAKE_FOLDER: folder } };
}

function source(): TaskSource {
  return createBdTaskSource(options(), (text) => warnings.push(text));
}

async function install(code: string): Promise<void> {
  await writeFile(path.join(folder, "bd"), `#!${process.execPath}\n${code}`, { mode: 0o755 });
}

/** A `bd` on the PATH that notes its calls and answers by the first rule that fits; other calls succeed silently. */
async function fakeBd(rules: readonly Rule[]): Promise<TaskSource> {
  await writeFile(path.join(folder, "rules.json"), JSON.stringify(rules));
  await install(`
    const fs = require("node:fs");
    const folder = process.env.FAKE_FOLDER;
    const args = process.argv.slice(2);
    const actor = process.env.BD_ACTOR ?? null;
    fs.appendFileSync(folder + "/calls.jsonl", JSON.stringify({ args, actor }) + "\\n");
    const rules = JSON.parse(fs.readFileSync(folder + "/rules.json", "utf8"));
    const rule = rules.find(({ words }) => words.every((word) => args.includes(word))) ?? {};
    process.stdout.write(rule.out ?? "");
    process.stderr.write(rule.err ?? "");
    process.exitCode = rule.code ?? 0;`);
  return source();
}

async function calls(): Promise<string[]> {
  const text = await readFile(path.join(folder, "calls.jsonl"), "utf8");
  const lines: { args: string[]; actor: string | null }[] = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  return lines.map(({ args, actor }) => (actor === null ? "" : `${actor}: `) + args.join(" "));
}

function issue(fields: object = {}): string {
  return JSON.stringify([{ id: "bd-1", title: "One", status: "open", ...fields }]);
}

test("ready asks for all, and leaves out what is taken or waits for a person", async () => {
  const out = JSON.stringify([
    { id: "bd-1" },
    { id: "bd-2", status: "in_progress" },
    { id: "bd-3", labels: ["needs-investigation"] },
    { id: "bd-4", assignee: "ada" },
  ]);
  const tasks = await (await fakeBd([{ words: ["ready"], out }])).ready(LIVE);
  expect(tasks.map((task) => task.id)).toEqual(["bd-1", "bd-4"]);
  expect(await calls()).toEqual(["ready --json --limit 100000"]);
});

test("list reads page after page and leaves out what is closed", async () => {
  const page = (ids: string[], hasMore: boolean): string =>
    JSON.stringify({
      issues: ids.map((id) => ({ id, status: id === "bd-2" ? "closed" : "open" })),
      has_more: hasMore,
    });
  const bd = await fakeBd([
    { words: ["list", "--offset", "2"], out: page(["bd-3"], false) },
    { words: ["list"], out: page(["bd-1", "bd-2"], true) },
  ]);
  expect((await bd.list(LIVE)).map((task) => task.id)).toEqual(["bd-1", "bd-3"]);
});

test("a program that takes no --limit is asked without, with a warning", async () => {
  const bd = await fakeBd([
    { words: ["ready", "--limit"], ...UNKNOWN_FLAG },
    { words: ["ready"], out: issue() },
  ]);
  expect((await bd.ready(LIVE)).map((task) => task.id)).toEqual(["bd-1"]);
  expect(warnings).toEqual(["bd takes no --limit: it may show only its first tasks"]);
});

test("show reads an array, an object and an unknown id", async () => {
  const bd = await fakeBd([
    { words: ["show", "bd-1"], out: issue() },
    { words: ["show", "bd-2"], out: '{"id":"bd-2"}' },
    { words: ["show", "bd-3"], err: '{"error":"nothing here","code":"ISSUE_NOT_FOUND"}', code: 1 },
    { words: ["show", "bd-4"], err: "Error: no issue found matching bd-4", code: 1 },
    { words: ["show", "bd-5"], err: "database is locked", code: 1 },
  ]);
  const ids = await Promise.all(["bd-1", "bd-2", "bd-3", "bd-4"].map((id) => bd.show(id, LIVE)));
  expect(ids.map((task) => task?.id ?? null)).toEqual(["bd-1", "bd-2", null, null]);
  await expect(bd.show("bd-5", LIVE)).rejects.toMatchObject({
    code: "task-source.failed",
    message: "bd show bd-5 --json failed (exit code 1): database is locked",
    retry: true,
  });
});

test("a claim is atomic where the program can, and names who has it", async () => {
  const bd = await fakeBd([
    { words: ["update", "bd-1", "--claim"], out: "ok" },
    { words: ["update", "--claim"], err: '{"error":"already claimed by bob"}', code: 1 },
    { words: ["show", "bd-2"], out: '[{"id":"bd-2","status":"in_progress","assignee":"bob"}]' },
    { words: ["show", "bd-3"], out: '[{"id":"bd-3","status":"in_progress","assignee":"me"}]' },
    { words: ["show", "bd-4"], out: '[{"id":"bd-4","status":"closed"}]' },
    { words: ["show", "bd-5"], out: '[{"id":"bd-5","status":"open"}]' },
  ]);
  const outcomes = [];
  for (const id of ["bd-1", "bd-2", "bd-3", "bd-4"]) outcomes.push(await bd.claim(id, "me", LIVE));
  expect(outcomes).toEqual([
    { type: "claimed" },
    { type: "taken", by: "bob" },
    { type: "claimed" },
    { type: "taken", by: null },
  ]);
  await expect(bd.claim("bd-5", "me", LIVE)).rejects.toMatchObject({ code: "task-source.failed" });
  expect((await calls())[0]).toBe("me: update bd-1 --claim");
});

test("a program without --claim is told the status instead, but only for a task that is free", async () => {
  const bd = await fakeBd([
    { words: ["update", "--claim"], ...UNKNOWN_FLAG },
    { words: ["show", "bd-1"], out: issue() },
    { words: ["show", "bd-2"], out: '[{"id":"bd-2","status":"in_progress","assignee":"bob"}]' },
  ]);
  expect(await bd.claim("bd-1", "me", LIVE)).toEqual({ type: "claimed" });
  expect(await bd.claim("bd-2", "me", LIVE)).toEqual({ type: "taken", by: "bob" });
  expect(await calls()).toEqual([
    "me: update bd-1 --claim",
    "show bd-1 --json",
    "me: update bd-1 --status in_progress --assignee me",
    "me: update bd-2 --claim",
    "show bd-2 --json",
  ]);
});

test("a finished task is closed with its reason, or without where that is not known", async () => {
  const bd = await fakeBd([{ words: ["close", "bd-2", "--reason"], ...UNKNOWN_FLAG }]);
  await bd.complete("bd-1", "landed", LIVE);
  await bd.complete("bd-2", "landed", LIVE);
  expect(await calls()).toEqual(["close bd-1 --reason landed", "close bd-2 --reason landed", "close bd-2"]);
});

test("a failed task is opened again with the reason and without its holder", async () => {
  const bd = await fakeBd([
    { words: ["reopen", "bd-2"], err: "cannot reopen", code: 1 },
    { words: ["show", "bd-1"], out: issue({ assignee: "me" }) },
    { words: ["show", "bd-2"], out: issue({ id: "bd-2" }) },
  ]);
  await bd.fail("bd-1", "tests", { isPermanent: false }, LIVE);
  await bd.fail("bd-2", "tests", { isPermanent: false }, LIVE);
  expect(await calls()).toEqual([
    "reopen bd-1 --reason FAILED: tests",
    "show bd-1 --json",
    "update bd-1 --assignee ",
    "reopen bd-2 --reason FAILED: tests",
    "update bd-2 --status open",
    "comments add bd-2 FAILED: tests",
    "show bd-2 --json",
  ]);
});

test("a task that failed for good gets a label and keeps the notes it had", async () => {
  const bd = await fakeBd([
    { words: ["show"], out: issue({ notes: "mine" }) },
    { words: ["update", "bd-1", "--add-label"], ...UNKNOWN_FLAG },
  ]);
  await bd.fail("bd-1", "broken", { isPermanent: true }, LIVE);
  const notes = "--notes mine\nFAILED PERMANENTLY: broken";
  expect(await calls()).toEqual([
    "show bd-1 --json",
    `update bd-1 --status open ${notes} --add-label needs-investigation`,
    `update bd-1 --status open ${notes}`,
    "label add bd-1 needs-investigation",
    "show bd-1 --json",
  ]);
});

test("a question sets the status, or a label where the tracker has no such status", async () => {
  const bd = await fakeBd([
    { words: ["update", "bd-2", "needs-input", "--notes"], err: "invalid status", code: 1 },
    { words: ["show", "bd-2"], out: issue({ id: "bd-2" }) },
    { words: ["show"], out: issue() },
  ]);
  // The first rule must fit the status only, not the label.
  const rules: Rule[] = JSON.parse(await readFile(path.join(folder, "rules.json"), "utf8"));
  rules.unshift({ words: ["update", "bd-2", "--add-label"] });
  await writeFile(path.join(folder, "rules.json"), JSON.stringify(rules));
  await bd.needsInput("bd-1", "which?", LIVE);
  await bd.needsInput("bd-2", "which?", LIVE);
  expect(await calls()).toEqual([
    "show bd-1 --json",
    "update bd-1 --status needs-input --notes NEEDS_INPUT: which?",
    "show bd-2 --json",
    "update bd-2 --status needs-input --notes NEEDS_INPUT: which?",
    "show bd-2 --json",
    "update bd-2 --status open --notes NEEDS_INPUT: which? --add-label needs-input",
    "show bd-2 --json",
  ]);
});

test("comments use the command that the program has, are cut, and are never taken for flags", async () => {
  const bd = await fakeBd([{ words: ["comments", "bd-2"], err: 'unknown command "comments"', code: 1 }]);
  await bd.comment("bd-1", "--force", LIVE);
  await bd.comment("bd-2", "x".repeat(500_000), LIVE);
  const [first, , third] = await calls();
  expect(first).toBe("comments add bd-1 -- --force");
  expect(third).toBe(`comment bd-2 ${"x".repeat(30_000)}\n[cut by canopy]`);
});

test("a task is made with all that is known; a long description goes through a file", async () => {
  await install(`
    const fs = require("node:fs");
    const args = process.argv.slice(2);
    const at = args.indexOf("--body-file");
    const body = at === -1 ? null : fs.readFileSync(args[at + 1], "utf8").length;
    fs.appendFileSync(process.env.FAKE_FOLDER + "/calls.jsonl", JSON.stringify({ args: at === -1 ? args : ["file", String(body)], actor: null }) + "\\n");
    console.log(at === -1 ? JSON.stringify({ id: "bd-9" }) : "Created bd-10");`);
  const id = await source().create(
    {
      title: "-x marks",
      description: "why",
      type: "bug",
      priority: 1,
      labels: ["a", "b"],
      dependencies: [
        { id: "bd-1", kind: "discovered-from" },
        { id: "bd-2", kind: "blocks" },
      ],
      externalReference: "gh-1",
    },
    LIVE,
  );
  expect(id).toBe("bd-9");
  expect(await source().create({ title: "Long", description: "d".repeat(1_000_000) }, LIVE)).toBe("bd-10");
  expect(await calls()).toEqual([
    "create --json -p 1 --type bug --labels a,b --deps discovered-from:bd-1,bd-2 --external-ref gh-1 -d why -- -x marks",
    "file 1000000",
  ]);
});

test("calls never overlap", async () => {
  await install(`
    const fs = require("node:fs");
    const log = (word) => fs.appendFileSync(process.env.FAKE_FOLDER + "/calls.jsonl", JSON.stringify({ args: [word], actor: null }) + "\\n");
    log("begin");
    setTimeout(() => { log("end"); console.log("[]"); }, 20);`);
  const bd = source();
  await Promise.all([bd.ready(LIVE), bd.list(LIVE), bd.ready(LIVE), bd.comment("bd-1", "x", LIVE)]);
  expect(await calls()).toEqual(Array.from({ length: 4 }, () => ["begin", "end"]).flat());
});

test("a call that failed does not stop the next one", async () => {
  const bd = await fakeBd([
    { words: ["ready"], err: "boom", code: 2 },
    { words: ["list"], out: issue() },
  ]);
  await expect(bd.ready(LIVE)).rejects.toMatchObject({
    code: "task-source.failed",
    message: "bd ready --json --limit 100000 failed (exit code 2): boom",
    data: { exitCode: 2, code: null },
  });
  expect((await bd.list(LIVE)).length).toBe(1);
});

test("a list for people, entries without an id and wrong ids are told", async () => {
  const bd = await fakeBd([
    { words: ["ready"], out: "1. [P1] bd-a3f: Fix the parser\n" },
    { words: ["list"], out: '[{"title":"x"},{"id":"bd-1"}]' },
  ]);
  await expect(bd.ready(LIVE)).rejects.toMatchObject({
    code: "task-source.failed",
    message: "bd ready --json --limit 100000 printed no JSON",
  });
  expect((await bd.list(LIVE)).length).toBe(1);
  expect(warnings).toEqual(["bd list --json --limit 100000: 1 entries without an id are left out"]);
  await expect(bd.show("--help", LIVE)).rejects.toMatchObject({ code: "request.invalid" });
});

test("a missing program, one that hangs and an aborted call are told apart", async () => {
  await expect(source().ready(LIVE)).rejects.toMatchObject({
    code: "task-source.failed",
    message: "bd could not be run: ENOENT",
    retry: false,
  });
  await install("setInterval(() => null, 1000);");
  const slow = createBdTaskSource({ ...options(), callMs: 200 }, () => null);
  await expect(slow.ready(LIVE)).rejects.toMatchObject({
    code: "task-source.failed",
    message: "bd ready --json --limit 100000 took too long and was stopped",
    retry: true,
  });
  const controller = new AbortController();
  const call = source().ready(controller.signal);
  controller.abort();
  await expect(call).rejects.toMatchObject({ code: "cancelled" });
});

test("output of 20 MB is read", async () => {
  await install(`
    const issues = Array.from({ length: 20000 }, (_, index) => ({ id: "bd-" + index, description: "d".repeat(1000) }));
    process.stdout.write(JSON.stringify(issues));`);
  expect((await source().ready(LIVE)).length).toBe(20_000);
});

test("a probe gives the version, and null for a missing program", async () => {
  expect(await probeBd(options(), LIVE)).toBeNull();
  await fakeBd([{ words: ["--version"], out: "bd version 1.3.0 (abc)\n" }]);
  expect(await probeBd(options(), LIVE)).toBe("bd version 1.3.0 (abc)");
});
