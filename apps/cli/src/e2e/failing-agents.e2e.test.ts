import { join } from "node:path";
import type { Attempt, Change, DaemonStatus, Project } from "@canopy/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { requestDaemon } from "../connection/request.ts";
import type { RunSummary } from "../run/summarize-run.ts";
import { createTestRepository, userGit, writeFiles } from "./create-test-repository.ts";
import { NOTHING_LEFT, findProcessesOf } from "./find-leftovers.ts";
import { importScripts } from "./import-scripts.ts";
import type { ListedTask, ScriptTask } from "./import-scripts.ts";
import { SCRIPT_AGENT } from "./large-run-tasks.ts";
import { createGate, showGates } from "./open-gate.ts";
import { openTestHome, parseJson } from "./open-test-home.ts";
import type { CliResult, TestHome } from "./open-test-home.ts";
import { readLanded } from "./read-landed.ts";

/** Pauses before retries, short enough for a test and long enough to be seen. */
const CONFIG = `[run]
agent = "shell"
[agents.shell]
driver = "command"
command = ${JSON.stringify(SCRIPT_AGENT.slice("command:".length))}
[retries.crash]
limit = 2
delay = "100ms"
[retries.rate-limit]
limit = 5
delay = "400ms"
`;

interface TaskDetail extends ListedTask {
  readonly attempts: readonly Attempt[];
  readonly changes: readonly Change[];
  readonly comments: readonly { readonly text: string }[];
}

interface Case {
  readonly repository: string;
  readonly result: CliResult;
  readonly summary: RunSummary;
  readonly detail: (key: string) => Promise<TaskDetail>;
}

let home: TestHome;
beforeAll(async () => {
  home = await openTestHome();
});
afterAll(async () => {
  const left = await home.shutDown();
  await home[Symbol.asyncDispose]();
  expect(left).toEqual(NOTHING_LEFT);
});

let count = 0;

async function createProject(): Promise<string> {
  count += 1;
  const repository = join(home.root, `work-${count}`);
  await createTestRepository(repository, { "README.md": "# Work\n", ".gitignore": ".canopy/\n" });
  await writeFiles(repository, { ".canopy/config.toml": CONFIG });
  await showGates(repository, home.root);
  return repository;
}

/** Runs tasks in a new repository to the end. `during` is called with its path once the run has begun. */
async function runCase(
  tasks: Readonly<Record<string, ScriptTask>>,
  args: readonly string[] = [],
  during: (repository: string) => Promise<void> = () => Promise.resolve(),
): Promise<Case> {
  const repository = await createProject();
  const ids = await importScripts(home, repository, tasks);
  const running = home.start(["run", "--json", ...args], { cwd: repository });
  await during(repository);
  const result = await running.finished;
  expect(result.stderr).toBe("");
  return {
    repository,
    result,
    summary: parseJson<RunSummary>(result.stdout),
    detail: (key) => home.ask<TaskDetail>(["task", "show", ids.get(key) ?? ""], { cwd: repository }),
  };
}

/** The prompt that an attempt's agent got, from the session's transcript. */
async function readPrompt(repository: string, attempt: Attempt): Promise<string> {
  const { socketPath } = await home.ask<DaemonStatus>(["status"]);
  const ask = async <T>(method: "GET" | "POST", path: string, body?: { path: string }): Promise<T> =>
    (await requestDaemon(socketPath, { method, path, ...(body === undefined ? {} : { body }) })) as T;
  const { project } = await ask<{ project: Project }>("POST", "/projects", { path: repository });
  const { prompts } = await ask<{ prompts: { text: string }[] }>(
    "GET",
    `/projects/${project.projectId}/sessions/${attempt.sessionId}`,
  );
  return prompts.map((prompt) => prompt.text).join("\n");
}

const states = (detail: TaskDetail): string[] => detail.attempts.map((attempt) => attempt.state);
const causes = (detail: TaskDetail): (string | undefined)[] =>
  detail.attempts.map((attempt) => attempt.failure?.cause);

test("a crash is tried again, and the next prompt names what went wrong", async () => {
  const script = `if [ "$CANOPY_ATTEMPT_NUMBER" = 1 ]; then echo half > half.txt; echo 'the flux is low: 42' >&2; exit 3; fi\necho ok > ok.txt`;
  const { result, repository, detail } = await runCase({ one: { title: "Fragile", script } });
  expect(result.code, result.stdout).toBe(0);
  const task = await detail("one");
  expect([states(task), causes(task)]).toEqual([
    ["failed", "succeeded"],
    ["crash", undefined],
  ]);
  const [first, second] = task.attempts;
  expect(await readPrompt(repository, first!)).not.toContain("Earlier attempts");
  expect(await readPrompt(repository, second!)).toMatch(
    /Earlier attempts at this task failed.+\nAttempt 1: crash: .*exit code 3.*the flux is low: 42/s,
  );
  expect(await userGit(repository, "show", `${first?.capture?.ref ?? "none"}:half.txt`)).toBe("half");
  expect(await userGit(repository, "ls-tree", "--name-only", "canopy/main")).toBe(
    ".gitignore\nREADME.md\nok.txt",
  );
});

test("an attempt whose time is up ends with all its processes, and its work is kept", async () => {
  const script = `echo half > half.txt\n(setsid sh -c 'trap "" TERM INT HUP; exec sleep 601' >/dev/null 2>&1 &)\ntrap '' TERM\nsleep 602`;
  const { result, repository, summary, detail } = await runCase({ one: { title: "Slow", script } }, [
    "--timeout",
    "1s",
    "--max-retries",
    "0",
  ]);
  expect(result.code, result.stdout).toBe(1);
  const sleepers = (await findProcessesOf(home.root)).filter((found) => /sleep 60[12]/.test(found.command));
  expect(sleepers).toEqual([]);
  const task = await detail("one");
  expect([states(task), causes(task)]).toEqual([["failed"], ["timeout"]]);
  expect(summary.failed).toEqual([
    {
      id: task.id,
      number: 1,
      title: "Slow",
      detail: "it did not finish within 1 s",
      cause: "timeout",
    },
  ]);
  expect(task.labels).toEqual(["needs-investigation"]);
  expect(await userGit(repository, "show", `${task.attempts[0]?.capture?.ref ?? "none"}:half.txt`)).toBe(
    "half",
  );
});

test("an agent that changes nothing is asked once more, then the task is closed", async () => {
  const { result, summary, detail } = await runCase({ one: { title: "Nothing to do", script: "true" } });
  expect(result.code, result.stdout).toBe(0);
  const task = await detail("one");
  expect([task.status, states(task)]).toEqual(["closed", ["unchanged", "unchanged"]]);
  expect(summary.unchanged.map((item) => item.title)).toEqual(["Nothing to do"]);
});

test("a rate limit is waited out, longer each time, and costs no retry", async () => {
  const script = `[ "$CANOPY_ATTEMPT_NUMBER" -gt 3 ] || { echo 'slow down' >&2; exit 75; }\necho ok > ok.txt`;
  const { result, detail } = await runCase({ one: { title: "Limited", script } }, ["--max-retries", "0"]);
  expect(result.code, result.stdout).toBe(0);
  const task = await detail("one");
  expect(causes(task)).toEqual(["rate-limit", "rate-limit", "rate-limit", undefined]);
  const pauses = task.attempts
    .slice(1)
    .map((attempt, index) => attempt.queuedAtMs - task.attempts[index]!.endedAtMs!);
  for (const [index, pause] of pauses.entries()) {
    // Doubled each time, spread by plus or minus half; timers may be late, never early.
    expect(pause).toBeGreaterThanOrEqual(200 * 2 ** index);
    expect(pause).toBeLessThan(600 * 2 ** index + 2000);
  }
});

test("of two edits of one line one lands, the other is kept and shown with its file", async () => {
  const gate = await createGate(home.root, "conflict");
  const edit = (text: string, wait: string): string =>
    `${gate.script}\n${wait}\necho '# ${text}' > README.md`;
  const { result, repository, summary, detail } = await runCase(
    {
      first: { title: "First", script: edit("first", "") },
      second: { title: "Second", script: edit("second", "sleep 0.5") },
    },
    ["-c", "2"],
    async () => {
      await gate.waitForArrivals(2);
      await gate.open();
    },
  );
  expect(result.code, result.stdout).toBe(1);
  const files = [{ path: "README.md", kind: "content" }];
  expect([summary.landed.map((item) => item.title), summary.conflicted.map((item) => item.detail)]).toEqual([
    ["First"],
    ["README.md (content); tried without success: the session that wrote it, a resolver"],
  ]);
  const { changes } = await home.ask<{ changes: Change[] }>(["queue"], { cwd: repository });
  expect(changes.map((change) => [change.state, change.conflicts])).toEqual([["conflicted", files]]);
  const task = await detail("second");
  expect([task.status, task.changes[0]?.conflicts]).toEqual(["needs_input", files]);
  expect(await userGit(repository, "show", `${task.changes[0]?.commit ?? "none"}:README.md`)).toBe(
    "# second",
  );
  const queue = await home.canopy(["queue"], { cwd: repository });
  expect(queue.stdout).toMatch(/#2 +conflicted +1 .+README\.md/);
  const shown = await home.canopy(["task", "show", "2"], { cwd: repository });
  expect(shown.stdout).toMatch(/^change chg_\w+ {2}conflicted: README\.md \(content\)$/m);
  expect(await userGit(repository, "show", "canopy/main:README.md")).toBe("# first");
});

test("an attempt that a person kills is no failure, is not tried again, and its work is kept", async () => {
  const gate = await createGate(home.root, "kill");
  const { result, repository, detail } = await runCase(
    {
      victim: { title: "Victim", script: `echo half > half.txt\n${gate.script}` },
      other: { title: "Other", script: "echo 1 > other.txt" },
    },
    [],
    async (cwd) => {
      await gate.waitForArrivals(1);
      await home.ask(["kill", "1"], { cwd });
    },
  );
  expect(result.code, result.stdout).toBe(1);
  const task = await detail("victim");
  expect([task.status, task.labels, states(task), causes(task)]).toEqual([
    "open",
    [],
    ["killed"],
    [undefined],
  ]);
  expect(await userGit(repository, "show", `${task.attempts[0]?.capture?.ref ?? "none"}:half.txt`)).toBe(
    "half",
  );
  expect((await readLanded(repository, "main..canopy/main")).map((commit) => commit.subject)).toEqual([
    "Other",
  ]);
});

test("without retries one failure is the end of it, and the next run passes the task over", async () => {
  const repository = join(home.root, "no-retries");
  await createTestRepository(repository);
  await importScripts(home, repository, { one: { title: "Broken", script: "exit 9" } });
  const run = ["run", "--agent", SCRIPT_AGENT, "--max-retries", "0"];
  const failed = await home.canopy(run, { cwd: repository });
  expect(failed.code, failed.stdout).toBe(1);
  const task = await home.ask<TaskDetail>(["task", "show", "1"], { cwd: repository });
  expect([causes(task), task.labels]).toEqual([["crash"], ["needs-investigation"]]);
  expect(task.comments.at(-1)?.text).toMatch(/^FAILED PERMANENTLY: crash: .*exit code 9/);
  const again = await home.canopy(run, { cwd: repository });
  expect([again.code, again.stderr]).toEqual([0, ""]);
  expect(again.stdout).toContain("nothing to do");
  expect((await home.ask<TaskDetail>(["task", "show", "1"], { cwd: repository })).attempts).toHaveLength(1);
  await home.ask(["task", "reopen", "1"], { cwd: repository });
  expect((await home.canopy(run, { cwd: repository })).code).toBe(1);
  expect((await home.ask<TaskDetail>(["task", "show", "1"], { cwd: repository })).attempts).toHaveLength(2);
});
