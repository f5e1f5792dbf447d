import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { resolveDaemonPaths } from "../home/daemon-paths.ts";
import type { Daemon } from "../start-daemon.ts";
import { startDaemon } from "../start-daemon.ts";

/** A tracker in one JSON file that answers like `bd` 1.x: arrays, `issue_type`, dependencies as objects. */
const FAKE_BD = `
const fs = require("node:fs");
const file = process.env.FAKE_BD_FILE;
const issues = JSON.parse(fs.readFileSync(file, "utf8"));
const args = process.argv.slice(2);
const [verb, id] = args;
const find = () => issues.find((issue) => issue.id === id) ?? (process.stderr.write(JSON.stringify({ error: "not found" })), process.exit(1));
const after = (flag) => args[args.indexOf(flag) + 1];
fs.appendFileSync(file + ".calls", args.join(" ") + "\\n");
if (verb === "list" || verb === "ready") console.log(JSON.stringify(issues.filter((issue) => issue.status !== "closed")));
else if (verb === "show") console.log(JSON.stringify([find()]));
else if (verb === "close") Object.assign(find(), { status: "closed", close_reason: after("--reason") });
else if (verb === "reopen") find().status = "open";
else if (verb === "update") {
  const issue = find();
  if (args.includes("--claim")) {
    if (issue.assignee && issue.assignee !== process.env.BD_ACTOR) { process.stderr.write(JSON.stringify({ error: "already claimed by " + issue.assignee })); process.exit(1); }
    Object.assign(issue, { assignee: process.env.BD_ACTOR, status: "in_progress" });
  }
  if (args.includes("--status")) issue.status = after("--status");
  if (args.includes("--add-label")) issue.labels = [...(issue.labels ?? []), after("--add-label")];
  if (args.includes("--notes")) issue.notes = after("--notes");
}
fs.writeFileSync(file, JSON.stringify(issues));
`;

let folder = "";
let daemon: Daemon | null = null;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "canopy-tracker-"));
});

afterEach(async () => {
  await daemon?.stop();
  daemon = null;
  rmSync(folder, { recursive: true, force: true });
});

interface Issue {
  readonly id: string;
  readonly status: string;
  readonly labels?: readonly string[];
}

function readIssues(): Record<string, Issue> {
  const issues = JSON.parse(readFileSync(join(folder, "issues.json"), "utf8")) as Issue[];
  return Object.fromEntries(issues.map((issue) => [issue.id, issue]));
}

function makeRepository(): string {
  const repository = join(folder, "repository");
  mkdirSync(join(repository, ".canopy"), { recursive: true });
  writeFileSync(join(repository, ".canopy", "config.toml"), '[tasks]\nsource = "bd"\n');
  const git = (...args: string[]): void => {
    execFileSync("git", ["-c", "user.name=T", "-c", "user.email=t@example.org", ...args], {
      cwd: repository,
    });
  };
  git("init", "-q", "-b", "main");
  git("add", ".");
  git("commit", "-qm", "start");
  return repository;
}

async function call(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
  const token = readFileSync(join(folder, "home", "state", "token"), "utf8").trim();
  const response = await fetch(`http://127.0.0.1:${daemon?.port}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer = (await response.json()) as Record<string, unknown>;
  if (!response.ok) throw new Error(JSON.stringify(answer));
  return answer;
}

async function waitFor(description: string, isTrue: () => Promise<boolean> | boolean): Promise<void> {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline;) {
    if (await isTrue()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`timed out waiting for: ${description}`);
}

async function start(issues: readonly object[]): Promise<string> {
  mkdirSync(join(folder, "bin"));
  writeFileSync(join(folder, "bin", "bd"), `#!${process.execPath}\n${FAKE_BD}`, { mode: 0o755 });
  writeFileSync(join(folder, "issues.json"), JSON.stringify(issues));
  const repository = makeRepository();
  const environment = {
    PATH: `${join(folder, "bin")}:${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`,
    HOME: folder,
    FAKE_BD_FILE: join(folder, "issues.json"),
    CANOPY_HOME: join(folder, "home"),
  };
  daemon = await startDaemon({
    paths: resolveDaemonPaths(environment),
    port: 0,
    logLevel: "info",
    environment,
  });
  const { project } = await call("POST", "/projects", { path: repository });
  return `/projects/${(project as { projectId: string }).projectId}`;
}

const issue = (id: string, fields: object = {}): object => ({
  id,
  title: `Do ${id}`,
  status: "open",
  priority: 2,
  issue_type: "task",
  ...fields,
});

test("a tracker's tasks run in dependency order, are claimed there first, and are closed there when they land", async () => {
  const project = await start([
    issue("x-1"),
    issue("x-2", { dependencies: [{ issue_id: "x-2", depends_on_id: "x-1", type: "blocks" }] }),
    issue("x-3", { assignee: "somebody", status: "open" }),
    issue("x-4", { labels: ["fail"] }),
  ]);
  const agent = `command:if echo "$CANOPY_TASK_LABELS" | grep -q fail; then exit 1; fi; echo done > "$CANOPY_TASK_ID.txt"`;
  const path = join(folder, "repository");
  const { run } = await call("POST", `${project}/runs`, { path, agent, maxRetries: 0 });
  const { runId } = run as { runId: string };
  await waitFor("the run's end", async () => {
    const detail = await call("GET", `${project}/runs/${runId}`);
    return (detail["run"] as { state: string }).state === "completed";
  });
  await waitFor("the tracker to be told", () => {
    const known = readIssues();
    return (
      known["x-2"]?.status === "closed" && known["x-4"]?.labels?.includes("needs-investigation") === true
    );
  });
  const issues = readIssues();
  expect([issues["x-1"]?.status, issues["x-2"]?.status, issues["x-3"]?.status]).toEqual([
    "closed",
    "closed",
    "open",
  ]);
  const calls = readFileSync(join(folder, "issues.json.calls"), "utf8").split("\n");
  expect(calls.indexOf("update x-1 --claim")).toBeLessThan(calls.indexOf("update x-2 --claim"));
  expect(calls.find((line) => line.startsWith("close x-1"))).toMatch(
    /^close x-1 --reason landed as [0-9a-f]{40}$/,
  );
  const { tasks } = await call("GET", `${project}/tasks`);
  const byReference = new Map(
    (tasks as { externalReference: string; status: string }[]).map((task) => [
      task.externalReference,
      task.status,
    ]),
  );
  expect(byReference.get("bd:x-3")).toBe("deferred");
});
