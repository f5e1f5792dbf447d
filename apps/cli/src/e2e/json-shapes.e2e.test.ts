import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestRepository } from "./create-test-repository.ts";
import { NOTHING_LEFT } from "./find-leftovers.ts";
import { importScripts } from "./import-scripts.ts";
import { SCRIPT_AGENT } from "./large-run-tasks.ts";
import { matchShape, readShapes } from "./match-shape.ts";
import { createGate, showGates } from "./open-gate.ts";
import { openTestHome, parseJson } from "./open-test-home.ts";
import type { TestHome } from "./open-test-home.ts";

const PAGE = join(import.meta.dirname, "../../../../docs/cli-json.md");

let home: TestHome;
let repository: string;
let shapes: Awaited<ReturnType<typeof readShapes>>;
/** Held against their shapes where the demo is tested, and where agents ask. */
const seen = new Set<string>(["Demo", "Answered"]);

beforeAll(async () => {
  home = await openTestHome();
  repository = join(home.root, "work");
  shapes = await readShapes(PAGE);
  await createTestRepository(repository);
});
afterAll(async () => {
  const left = await home.shutDown();
  await home[Symbol.asyncDispose]();
  expect(left).toEqual(NOTHING_LEFT);
});

/** Runs a command with `--json` and holds what it prints against a documented shape. */
async function expectShape(
  name: string,
  args: readonly string[],
  exit = 0,
  cwd = repository,
): Promise<Record<string, unknown>> {
  const result = await home.canopy([...args, "--json"], { cwd });
  expect(result.code, result.stdout + result.stderr).toBe(exit);
  const value = parseJson<Record<string, unknown>>(result.stdout);
  seen.add(name);
  expect(value["version"], `version of: ${args.join(" ")}`).toBe(1);
  expect(matchShape(shapes, name, value), `canopy ${args.join(" ")}`).toEqual([]);
  return value;
}

test("every command prints what docs/cli-json.md says", async () => {
  await expectShape("Down", ["down"]);
  await expectShape("Up", ["up"]);
  await expectShape("Status", ["status"]);
  await expectShape("Logs", ["logs"]);
  await expectShape("Detection", ["init", "--detect"]);
  await expectShape("Questionnaire", ["init", "--agent"]);
  await expectShape("Init", ["init"]);
  await expectShape("Error", ["init", "--apply", "{}"], 3);
  await expectShape("Init", ["init", "--reconfigure", "--apply", '{"confirm_validation": "no"}']);
  for (const name of ["config.toml", "config.toml.old"]) await rm(join(repository, ".canopy", name));
  await expectShape("Doctor", ["doctor"]);
  await expectShape("Setup", ["setup", "claude", "--dry-run"]);
  await expectShape("SandboxAllow", ["sandbox", "allow", "example.test"]);
  await expectShape("SandboxLog", ["sandbox", "log"]);
  await rm(join(repository, ".canopy", "config.toml"));
  const { id } = await expectShape("Task", [
    "task",
    "add",
    "First",
    "-p",
    "1",
    "-l",
    "fast",
    "-d",
    "echo 1 > one.txt",
  ]);
  await expectShape("Task", ["task", "add", "Second", "--depends-on", String(id)]);
  await expectShape("TaskList", ["task", "list"]);
  await expectShape("TaskList", ["task", "ready"]);
  await expectShape("Task", ["task", "claim", "2", "--as", "ada"]);
  await expectShape("Task", ["task", "claim", "2", "--as", "ada", "--release"]);
  await expectShape("Task", ["task", "update", "2", "--add-label", "slow"]);
  await expectShape("Task", ["task", "comment", "2", "a remark"]);
  await expectShape("Dependency", ["task", "dep", "add", "2", "1", "--kind", "related"]);
  await expectShape("Dependency", ["task", "dep", "remove", "2", "1"]);
  await expectShape("Task", ["task", "close", "2", "-r", "done"]);
  await expectShape("Task", ["task", "reopen", "2"]);
  await expectShape("TaskList", ["task", "close", "1", "2"]);
  await expectShape("TaskList", ["task", "reopen", "1", "2"]);
  await expectShape("Task", ["task", "close", "2"]);
  const file = join(home.root, "one.md");
  await writeFile(file, "- [ ] Third\n");
  await expectShape("Import", ["task", "import", file]);
  await expectShape("Agents", ["agent", "list"]);
  await expectShape("Agents", ["agent", "doctor", "scripted"]);
  await expectShape("AgentModels", ["agent", "models", "command:true"]);
  await expectShape("AgentTest", ["agent", "test", "scripted"]);
  await expectShape("AgentTest", ["agent", "test", "command:exit 4"], 1);
  await expectShape("Error", ["agent", "test", "nobody"], 2);
  await expectShape("Error", ["task", "show", "99"], 4);
  await expectShape("Error", ["run", "--agent", "nobody"], 2);
  await expectShape("Error", ["no-such-command"], 2);
  await home.ask(["task", "close", "3"], { cwd: repository });
});

test("runs, attempts, changes and deliveries print what docs/cli-json.md says", async () => {
  await showGates(repository, home.root);
  const gate = await createGate(home.root);
  const conflict = (text: string): string => `${gate.script}\necho ${text} > same.txt`;
  await importScripts(home, repository, {
    a: { title: "A", script: conflict("a") },
    b: { title: "B", script: conflict("b") },
    c: { title: "C", script: "exit 4" },
    d: { title: "D", script: `${gate.script}\nsleep 600` },
    e: { title: "E", script: `${gate.script}\nsleep 600` },
  });
  await expectShape("RunPlan", ["run", "--dry-run", "--agent", SCRIPT_AGENT, "--max-priority", "1"]);
  await expectShape("Queue", ["queue"]);
  const running = expectShape(
    "RunSummary",
    ["run", "--agent", SCRIPT_AGENT, "--max-retries", "0", "--deliver"],
    1,
  );
  await gate.waitForArrivals(4);
  const { attempts } = await expectShape("ActiveAttempts", ["ps"]);
  expect(attempts).toHaveLength(4);
  await gate.open();
  const { tasks } = await home.ask<{ tasks: { title: string; number: number }[] }>(["task", "list"], {
    cwd: repository,
  });
  await expectShape("Kill", ["kill", String(tasks.find((task) => task.title === "D")?.number)]);
  const { sessions } = await expectShape("SessionList", ["session", "list"]);
  const listed = parseJson<{ sessionId: string; title: string }[]>(JSON.stringify(sessions));
  const last = listed.find((session) => session.title === "E")?.sessionId ?? "";
  await expectShape("SessionDetail", ["session", "show", last]);
  await expectShape("SessionPrompt", ["session", "prompt", last, "More"]);
  await expectShape("Inbox", ["inbox"]);
  await expectShape("SessionCancel", ["session", "cancel", last]);
  const summary = await running;
  await expectShape("SessionDetail", ["session", "export", last]);
  expect(summary["delivery"]).toBeDefined();
  const { runs } = await expectShape("RunList", ["history"]);
  const [run] = parseJson<{ runId: string }[]>(JSON.stringify(runs));
  await expectShape("RunDetail", ["history", run?.runId ?? ""]);
  await expectShape("Stats", ["stats"]);
  for (const task of tasks) await expectShape("TaskDetail", ["task", "show", String(task.number)]);
  await expectShape("Queue", ["queue", "list", "--all"]);
  const { changes } = await expectShape("Queue", ["queue"]);
  const [stuck] = parseJson<{ changeId: string }[]>(JSON.stringify(changes));
  const changeId = stuck?.changeId ?? "";
  const shown = await expectShape("ChangeDetail", ["queue", "show", changeId]);
  expect(shown["conflict"]).not.toBeNull();
  await expectShape("Radar", ["queue", "radar"]);
  await expectShape("QueueBranches", ["queue", "pause"]);
  await expectShape("Patches", ["queue", "patches"]);
  await expectShape("ExportedPatches", ["queue", "patches", "--export", join(home.root, "patches")]);
  await expectShape("ExpiredPatches", ["queue", "patches", "--expire", "--dry-run"]);
  const folder = join(home.root, "conflict");
  await expectShape("ConflictFolder", ["queue", "resolve", changeId, "--checkout", folder]);
  await expectShape("Error", ["queue", "resolve", changeId, "--from", folder], 3);
  await expectShape("Resolution", ["queue", "take", "theirs", changeId]);
  await expectShape("ChangeAction", ["queue", "eject", changeId]);
  await expectShape("ChangeAction", ["queue", "abandon", stuck?.changeId ?? "", "-r", "not wanted"]);
  await expectShape("Review", ["deliver", "--pr", "--dry-run"]);
  await expectShape("Delivery", ["deliver"]);
});

test("sessions side by side print what docs/cli-json.md says", async () => {
  const cwd = join(home.root, "shared");
  await createTestRepository(cwd);
  const expectHere = async (name: string, ...args: readonly string[]): Promise<Record<string, unknown>> =>
    await expectShape(name, args, 0, cwd);
  // What only a person does comes first: after `--as` this process counts as a session.
  await expectHere("Projects", "list");
  await expectHere("Shown", "show");
  await expectHere("Exported", "export", join(home.root, "exported"));
  await expectHere("Finished", "finish");
  await expectHere("Noted", "reopen");
  await expectHere("Noted", "gc");
  await expectHere("Forgotten", "forget", "--yes");
  await expectHere("Sessions", "sessions");
  await expectHere("WhoAmI", "whoami");
  await expectHere("Claimed", "claim", "one.txt", "--as", "ada");
  await expectShape("Claimed", ["claim", "one.txt", "--check", "--as", "bob"], 3, cwd);
  await expectShape("Error", ["claim", "one.txt", "--as", "bob"], 3, cwd);
  await expectHere("Claims", "claims");
  await expectHere("WhoAmI", "whoami", "--as", "ada");
  await expectHere("Sessions", "sessions", "--as", "ada");
  await expectHere("Sent", "send", "holder:one.txt", "hello", "--as", "bob");
  await expectHere("Mail", "inbox", "--as", "ada");
  await expectHere("Acknowledged", "ack", "--as", "ada");
  await expectHere("Waited", "wait", "claim:one.txt", "--no-block", "--as", "bob");
  await expectHere("Released", "release", "one.txt", "--as", "ada");
  await expectHere("Noted", "note", "resting", "--as", "ada");
  await expectHere("Renamed", "rename", "ada", "--as", "ada");
  await expectHere("Explained", "explain");
});

test("the scripted model prints its address, and ends when asked to", async () => {
  const running = home.start(["scripted-model", "--json"]);
  await running.waitForOutput(/"url"[^}]*}/);
  running.send("SIGTERM");
  const { code, stdout } = await running.finished;
  seen.add("ScriptedModel");
  expect([code, matchShape(shapes, "ScriptedModel", parseJson(stdout))]).toEqual([0, []]);
});

test("every documented shape was seen, at the top or inside another one", () => {
  const page = JSON.stringify([...shapes.values()]);
  const names = [...shapes.keys()];
  const isNested = (name: string): boolean => new RegExp(`"(?:[^"]*\\| )?${name}(?: \\|[^"]*)?"`).test(page);
  expect(names.filter((name) => !seen.has(name) && !isNested(name))).toEqual([]);
});

/** All commands that `--help` lists, with those below them. */
async function listCommands(path: readonly string[]): Promise<(readonly string[])[]> {
  const { code, stdout } = await home.canopy([...path, "--help"], { cwd: repository });
  expect([path.join(" "), code]).toEqual([path.join(" "), 0]);
  expect(stdout, `help of ${path.join(" ")}`).toMatch(/\nExample:\n {2}canopy \S/);
  const section = /\nCommands:\n((?: {2}.*\n)+)/.exec(stdout)?.[1] ?? "";
  const names = [...section.matchAll(/^ {2}([a-z-]+)/gm)].map((match) => match[1] ?? "");
  const wanted = names.filter((each) => each !== "help");
  const below: (readonly string[])[][] = [];
  // A few at once: one after the other they take half a minute.
  for (let next = 0; next < wanted.length; next += 3) {
    const group = wanted.slice(next, next + 3).map((name) => listCommands([...path, name]));
    below.push(...(await Promise.all(group)));
  }
  return [path, ...below.flat()];
}

test("every command's help has an example", async () => {
  const commands = (await listCommands([])).map((path) => path.join(" "));
  expect(commands.length).toBeGreaterThan(30);
  expect(commands).toContain("task dep add");
  expect(commands).toContain("scripted-model");
});
