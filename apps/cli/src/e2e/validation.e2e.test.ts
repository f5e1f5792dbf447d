import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Change } from "@canopy/protocol";
import type { RunSummary } from "../run/summarize-run.ts";
import { createTestRepository, userGit } from "./create-test-repository.ts";
import { NOTHING_LEFT } from "./find-leftovers.ts";
import { openTestHome, parseJson } from "./open-test-home.ts";
import type { TestHome } from "./open-test-home.ts";

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

/** A repository whose validation wants at most three lines in `sum.txt`'s folder, and notes each time it runs. */
async function createProject(validation: string): Promise<{ readonly cwd: string; readonly log: string }> {
  count += 1;
  const cwd = join(home.root, `validated-${count}`);
  const logs = join(home.root, `validations-${count}`);
  const log = join(logs, "ran.log");
  await mkdir(logs);
  const config = `[sandbox]\ncache_mounts = [${JSON.stringify(logs)}]\n[retries.validation]\nlimit = 1\n[validation]\nenabled = true\nmax_repair_attempts = 0\n${validation.replaceAll("LOG", log)}`;
  await createTestRepository(cwd, { "parts/start.txt": "1\n", ".canopy/config.toml": config });
  return { cwd, log };
}

async function addTasks(cwd: string, titles: readonly string[]): Promise<void> {
  for (const title of titles) await home.ask(["task", "add", title], { cwd });
}

async function run(
  cwd: string,
  agent: string,
): Promise<{ readonly code: number | null; readonly summary: RunSummary }> {
  const result = await home.canopy(["run", "-c", "4", "--agent", `command:${agent}`, "--json"], { cwd });
  return { code: result.code, summary: parseJson<RunSummary>(result.stdout) };
}

const STEPS = `
[[validation.steps]]
name = "no bad parts"
command = "echo ran >> LOG; ! grep -l BAD parts/*"
`;

test("only green trees land: the change that breaks the validation is found, redone once, and then kept for a person", async () => {
  const { cwd, log } = await createProject(STEPS);
  await addTasks(cwd, ["GOOD one", "BAD two", "GOOD three", "GOOD four"]);
  const { code, summary } = await run(cwd, 'set -- $CANOPY_TASK_TITLE; echo "$1" > parts/$2.txt');
  expect(code).toBe(1);
  expect(summary.landed.map((task) => task.title)).toEqual(["GOOD one", "GOOD three", "GOOD four"]);
  expect(summary.failed.map((task) => task.title)).toEqual(["BAD two"]);
  expect(summary.failed[0]?.detail).toContain("'no bad parts' ended with exit code 1:\nparts/two.txt");
  const landed = await userGit(cwd, "ls-tree", "--name-only", "canopy/main", "parts/");
  expect(landed.split("\n")).toEqual([
    "parts/four.txt",
    "parts/one.txt",
    "parts/start.txt",
    "parts/three.txt",
  ]);
  // Every commit on the branch is a green tree, not only its tip.
  for (const commit of (await userGit(cwd, "rev-list", "main..canopy/main")).split("\n")) {
    expect(await userGit(cwd, "grep", "-c", "BAD", commit, "--", "parts").catch(() => "none")).toBe("none");
  }
  const { changes } = await home.ask<{ changes: Change[] }>(["queue", "list", "--all"], { cwd });
  expect(changes.filter((change) => change.state === "failing").length).toBe(2);
  const { attempts } = await home.ask<{ attempts: { number: number }[] }>(["task", "show", "2"], { cwd });
  expect(attempts.map((attempt) => attempt.number)).toEqual([1, 2]);
  expect(await userGit(cwd, "status", "--porcelain")).toBe("");
  const validationCount = (await readFile(log, "utf8")).trim().split("\n").length;
  expect(validationCount).toBeGreaterThan(2);
  expect(validationCount).toBeLessThanOrEqual(14);
});

test("changes that are green alone and red together do not land together", async () => {
  const { cwd } = await createProject(`
[[validation.steps]]
name = "at most two parts"
command = "test $(ls parts | wc -l) -le 2"
`);
  await addTasks(cwd, ["a", "b"]);
  const { code, summary } = await run(
    cwd,
    'touch "parts/$CANOPY_TASK_TITLE.txt"; echo x > "parts/$CANOPY_TASK_TITLE.txt"',
  );
  expect([code, summary.landed.length, summary.failed.length]).toEqual([1, 1, 1]);
});

test("a validation that never ends, and leaves a process that holds its output open, is ended at its time", async () => {
  const { cwd } = await createProject(`
[[validation.steps]]
name = "hangs"
timeout = "1s"
command = "setsid sleep 600 & sleep 600"
`);
  await addTasks(cwd, ["only"]);
  const { code, summary } = await run(cwd, "echo x > parts/x.txt");
  expect(code).toBe(1);
  expect(summary.failed[0]?.detail).toContain("is red: validation step 'hangs' did not end in time");
});

test("a flaky step is tried once more before it counts", async () => {
  const { cwd } = await createProject(`
[[validation.steps]]
name = "every second time"
command = "echo ran >> LOG; test $(( $(wc -l < LOG) % 2 )) = 0"
`);
  await addTasks(cwd, ["one"]);
  const { code, summary } = await run(cwd, "echo x > parts/x.txt");
  expect([code, summary.landed.length]).toEqual([0, 1]);
});

test("leniently, red work lands, and one follow-up task is filed and run", async () => {
  const { cwd } = await createProject(`mode = "lenient"\n${STEPS}`);
  await addTasks(cwd, ["BAD one"]);
  const { code, summary } = await run(cwd, 'echo BAD > "parts/$CANOPY_TASK_ID.txt"');
  expect(code).toBe(0);
  // The follow-up's agent mended nothing, and still no further one was filed.
  expect(summary.landed.map((task) => task.title)).toEqual(["BAD one", "Validation failed: BAD one"]);
  const { tasks } = await home.ask<{ tasks: { title: string; priority: number; description: string }[] }>(
    ["task", "list", "--all"],
    { cwd },
  );
  expect(tasks.map((task) => [task.title, task.priority])).toEqual([
    ["BAD one", 2],
    ["Validation failed: BAD one", 1],
  ]);
  expect(tasks[1]?.description).toContain("validation step 'no bad parts' ended with exit code 1");
});
