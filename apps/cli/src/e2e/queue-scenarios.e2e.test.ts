import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RunSummary } from "../run/summarize-run.ts";
import { createTestRepository, userGit, writeFiles } from "./create-test-repository.ts";
import { NOTHING_LEFT, findProcessesOf } from "./find-leftovers.ts";
import { importScripts } from "./import-scripts.ts";
import type { ScriptTask } from "./import-scripts.ts";
import { killDaemon, killWhenRefMoves } from "./kill-daemon.ts";
import { keepBoth, ladderAgent, rungsOf, showTask, stages } from "./ladder-agents.ts";
import type { QueueTask } from "./ladder-agents.ts";
import { createGate, showGates } from "./open-gate.ts";
import type { Gate } from "./open-gate.ts";
import { openTestHome, parseJson } from "./open-test-home.ts";
import type { CliResult, RunningCli, TestHome } from "./open-test-home.ts";
import { readChangedPaths, readLanded, readLandedTasks } from "./read-landed.ts";
import { waitFor } from "./wait-for.ts";

let home: TestHome;
/** Every repository that work landed in, checked at the end. */
const repositories: string[] = [];

/** A repository whose agents run their tasks' descriptions. */
async function createProject(
  name: string,
  files: Readonly<Record<string, string>>,
  config = "",
): Promise<string> {
  const cwd = join(home.root, name);
  await createTestRepository(cwd, { ".gitignore": "build/\n*.log\n", ...files });
  await writeFiles(cwd, { ".canopy/config.toml": `${ladderAgent("shell")}${config}` });
  await showGates(cwd, home.root);
  repositories.push(cwd);
  return cwd;
}

function startRun(cwd: string, concurrency: number, args: readonly string[] = []): RunningCli {
  return home.start(["run", "-c", String(concurrency), "--agent", "shell", ...args], { cwd });
}

async function showFile(cwd: string, path: string, commit = "canopy/main"): Promise<string> {
  return await userGit(cwd, "show", `${commit}:${path}`).catch(() => "(gone)");
}

async function listTree(cwd: string, commit = "canopy/main"): Promise<string[]> {
  return (await userGit(cwd, "ls-tree", "-r", "--format=%(objectmode) %(path)", commit)).split("\n");
}

const numbered = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_value, index) => `line ${from + index}\n`).join("");

const SCENARIOS: Readonly<Record<string, string>> = {
  "stale copy": '{ echo "from a stale copy"; cat stale.txt; } > t; mv t stale.txt',
  "merge driver": 'echo "made by task" >> made.gen',
  "deletes a folder": "rm -r folder",
  "renames and edits": "mv src/old.txt src/new.txt; sed -i 's/^line 2$/line two/' src/new.txt",
  "links and modes": "ln -s README.md link; chmod +x tool.sh; rm plain.txt; ln -s tool.sh plain.txt",
  builds: "mkdir build; echo x > build/out.o; echo x > build.log; echo source > built.txt",
  "no-op": "true",
  "reads only": "cat README.md >/dev/null; git status >/dev/null; git log >/dev/null; touch README.md",
  "done by another": "echo 'the same for both' > same.txt",
  commits: [
    "git config user.name A; git config user.email a@example.test",
    "echo 1 > one.txt; git add one.txt; git commit -q -m 'Add one'",
    "echo 2 > two.txt; git add two.txt; git commit -q -m 'Add two'",
  ].join("\n"),
  "does not commit":
    "echo staged > staged.txt; git add staged.txt; echo more >> tool.sh; echo new > untracked.txt",
};

/** All scenarios on one base, while `first` lands before any of them. */
interface Scenarios {
  readonly cwd: string;
  readonly result: CliResult;
  readonly tasks: ReadonlyMap<string, QueueTask>;
}
let scenarios: Scenarios;

async function runScenarios(): Promise<Scenarios> {
  const cwd = await createProject("scenarios", {
    "README.md": "# Work\n",
    ".gitattributes": "*.gen merge=mine\n",
    "stale.txt": numbered(1, 12),
    "made.gen": numbered(1, 3),
    "folder/a.txt": "a\n",
    "folder/deep/b.txt": "b\n",
    "src/old.txt": numbered(1, 12),
    "tool.sh": "echo tool\n",
    "plain.txt": "plain\n",
  });
  // A driver that takes the change's side whole, as some teams have for generated files.
  await userGit(cwd, "config", "merge.mine.driver", "cp %B %A");
  for (const hook of [
    "pre-commit",
    "commit-msg",
    "pre-merge-commit",
    "reference-transaction",
    "post-commit",
  ]) {
    const path = join(cwd, ".git/hooks", hook);
    await writeFiles(cwd, {
      [`.git/hooks/${hook}`]: `#!/bin/sh\necho ${hook} >> '${home.root}/hooks'\nsleep 60\nexit 1\n`,
    });
    await chmod(path, 0o755);
  }
  const gate = await createGate(home.root, "scenarios");
  const first = [
    "sed -i 's/^line 11$/line eleven/' stale.txt src/old.txt; echo 'line 13' >> stale.txt",
    "echo 'added by others' >> made.gen; echo new > folder/deep/new.txt",
    "echo 'the same for both' > same.txt",
  ].join("\n");
  const others = Object.entries(SCENARIOS).map(([title, script]): [string, ScriptTask] => [
    title,
    { title, script: `${gate.script}\n${script}` },
  ]);
  const ids = await importScripts(home, cwd, {
    first: { title: "first", script: first, priority: 0 },
    ...Object.fromEntries(others),
  });
  const run = startRun(cwd, others.length + 1);
  await gate.waitForArrivals(others.length);
  await run.waitForOutput(/^landed.*first/m);
  await gate.open();
  const result = await run.finished;
  const tasks = new Map<string, QueueTask>();
  for (const [key, id] of ids) tasks.set(key, await showTask(home, cwd, id));
  return { cwd, result, tasks };
}

beforeAll(async () => {
  home = await openTestHome();
  scenarios = await runScenarios();
});
afterAll(async () => {
  const left = await home.shutDown();
  await home[Symbol.asyncDispose]();
  expect(left).toEqual(NOTHING_LEFT);
});

const scenario = (key: string): QueueTask => scenarios.tasks.get(key)!;
async function landedOf(key: string): Promise<string[]> {
  const { id } = scenario(key);
  const commits = await readLanded(scenarios.cwd, "main..canopy/main");
  const own = commits.filter((commit) => commit.trailers["Task"]?.includes(id));
  return (await Promise.all(own.map((commit) => readChangedPaths(scenarios.cwd, commit.commit)))).flat();
}

test("an agent that works on old content does not take back what others landed meanwhile", async () => {
  expect(await showFile(scenarios.cwd, "stale.txt")).toBe(
    `from a stale copy\n${numbered(1, 12)}line 13`.replace("line 11", "line eleven"),
  );
  expect(scenario("stale copy").status).toBe("closed");
});

test("a merge driver that the person has configured decides, and the change says so", async () => {
  const { status, changes } = scenario("merge driver");
  expect([status, changes[0]?.ladder.map((step) => [step.rung, step.detail])]).toEqual([
    "closed",
    [["driver", "merge drivers: mine"]],
  ]);
  expect(await showFile(scenarios.cwd, "made.gen")).toBe(`${numbered(1, 3)}made by task`);
});

test("a folder is deleted, but for what others put into it meanwhile", async () => {
  expect(await landedOf("deletes a folder")).toEqual(["D folder/a.txt", "D folder/deep/b.txt"]);
  expect(await showFile(scenarios.cwd, "folder/deep/new.txt")).toBe("new");
});

test("a renamed file has its own edit and that of others under the new name", async () => {
  const merged = numbered(1, 12).replace("line 2\n", "line two\n").replace("line 11", "line eleven");
  expect(await showFile(scenarios.cwd, "src/new.txt")).toBe(merged.trimEnd());
  expect(await showFile(scenarios.cwd, "src/old.txt")).toBe("(gone)");
});

test("links and modes land as they are, and what git ignores does not", async () => {
  const tree = await listTree(scenarios.cwd);
  for (const entry of ["120000 link", "120000 plain.txt", "100755 tool.sh", "100644 built.txt"])
    expect(tree).toContain(entry);
  expect(tree.filter((entry) => /build\/|\.log$/.test(entry))).toEqual([]);
  expect(await landedOf("builds")).toEqual(["A built.txt"]);
});

test("tasks whose agents change nothing are closed as needing no change, after a second try", async () => {
  for (const key of ["no-op", "reads only"]) {
    const { attempts, changes, status, closeReason } = scenario(key);
    expect([key, attempts.map((attempt) => attempt.state), changes, status]).toEqual([
      key,
      ["unchanged", "unchanged"],
      [],
      "closed",
    ]);
    expect(closeReason).toMatch(/no change/);
  }
});

test("work that another task did already closes its task without a commit", async () => {
  const { changes, status } = scenario("done by another");
  expect([changes.map((change) => change.state), status]).toEqual([["landed"], "closed"]);
  expect(await landedOf("done by another")).toEqual([]);
  expect(await showFile(scenarios.cwd, "same.txt")).toBe("the same for both");
});

test("an agent that commits, and one that does not, land all they did in one commit each", async () => {
  expect(await landedOf("commits")).toEqual(["A one.txt", "A two.txt"]);
  const own = scenario("commits").attempts[0]?.attemptId ?? "";
  expect(await userGit(scenarios.cwd, "log", "--format=%s", "-2", `refs/canopy/commits/${own}`)).toBe(
    "Add two\nAdd one",
  );
  expect(await landedOf("does not commit")).toEqual(["A staged.txt", "A untracked.txt", "M tool.sh"]);
});

test("hooks of the repository, however slow and failing, do not run on candidates nor when the branch moves", async () => {
  expect(scenarios.result.code, scenarios.result.stdout).toBe(0);
  expect(await userGit(scenarios.cwd, "hash-object", join(home.root, "hooks")).catch(() => "none")).toBe(
    "none",
  );
});

test("a validation that leaves a daemon behind and hangs is ended at its time, and only its own change is held back", async () => {
  const cwd = await createProject(
    "daemons",
    { "README.md": "# Work\n" },
    [
      "[retries.validation]\nlimit = 0\n[validation]\nenabled = true\nmax_repair_attempts = 0\n",
      '[[validation.steps]]\nname = "serves"\ntimeout = "2s"\ncommand = """\n',
      "mkdir -p build; echo x > build/made; echo x > polluted.txt\n",
      'setsid sleep 599 & if [ -e hang.txt ]; then sleep 599; fi\n"""\n',
    ].join(""),
  );
  await importScripts(home, cwd, {
    a: { title: "a", script: "echo a > a.txt" },
    hang: { title: "hang", script: "echo x > hang.txt" },
    b: { title: "b", script: "echo b > b.txt" },
  });
  const result = await startRun(cwd, 3, ["--json"]).finished;
  const summary = parseJson<RunSummary>(result.stdout);
  expect(summary.landed.map((task) => task.title).sort()).toEqual(["a", "b"]);
  expect(summary.failed.map((task) => task.title)).toEqual(["hang"]);
  expect(summary.failed[0]?.detail).toContain("'serves' did not end in time");
  expect(await listTree(cwd)).toEqual([
    "100644 .gitignore",
    "100644 README.md",
    "100644 a.txt",
    "100644 b.txt",
  ]);
  const sleeping = await findProcessesOf(home.root);
  expect(sleeping.filter(({ command }) => command.includes("sleep 599"))).toEqual([]);
});

test("a daemon that is killed at each step of the queue lands everything once", async () => {
  const gate = await createGate(home.root, "killed-work");
  const validation = await createGate(home.root, "killed-validation");
  const step = `export CANOPY_TASK_ID=validation\n${validation.script}\n`;
  const cwd = await createProject(
    "killed",
    { "README.md": "# Work\n" },
    `[validation]\nenabled = true\n[[validation.steps]]\nname = "gate"\ncommand = ${JSON.stringify(step)}\n`,
  );
  const ids = await importScripts(
    home,
    cwd,
    Object.fromEntries(
      ["a", "b", "c", "d", "e", "f"].map((key) => [
        key,
        { title: key, script: `${gate.script}\necho ${key} > ${key}.txt` },
      ]),
    ),
  );
  const refs = (folder: string): string => join(cwd, ".git/refs", folder);
  const killed: number[] = [];
  const run = startRun(cwd, 3);
  await gate.waitForArrivals(3);
  await killDaemon(home, killed);
  // The agents' work that the next daemon finds is kept; it is killed right there, too.
  const kept = await killWhenRefMoves(home, refs("canopy/attempts"), killed);
  await gate.open();
  expect(await kept.fired).toContain("canopy/attempts/");
  const built = await killWhenRefMoves(home, refs("canopy/stacks"), killed);
  expect(await built.fired).toContain("canopy/stacks/");
  await validation.waitForArrivals(1);
  await killDaemon(home, killed);
  for (let count = 0; count < 2; count += 1) {
    const moved = await killWhenRefMoves(home, refs("heads/canopy"), killed);
    if (count === 0) await validation.open();
    // The second time there may be nothing left to land.
    await Promise.race([moved.fired, run.finished]);
  }
  const result = await run.finished;
  expect(result.code, result.stdout + result.stderr).toBe(0);
  expect(killed.length).toBeGreaterThanOrEqual(5);
  expect((await readLandedTasks(cwd, "main..canopy/main")).sort()).toEqual([...ids.values()].sort());
  expect(await listTree(cwd)).toHaveLength(8);
});

test("a hand-back whose daemon is killed is begun anew, and lands", async () => {
  const work = await createGate(home.root, "handed-work");
  const back = await createGate(home.root, "handed-back");
  const cwd = await createProject("handed-back", { "list.txt": "a\nb\nc\n" });
  const edit = "sed -i 's/^b$/b by clash/' list.txt";
  const ids = await importScripts(home, cwd, {
    clash: {
      title: "clash",
      script: stages({
        work: `${edit}\n${work.script}`,
        "hand-back": `${back.script}\n${keepBoth("list.txt")}`,
      }),
    },
    first: { title: "first", script: "sed -i 's/^b$/b by first/' list.txt", priority: 0 },
  });
  const run = startRun(cwd, 2);
  await work.waitForArrivals(1);
  await run.waitForOutput(/^landed.*first/m);
  await work.open();
  await back.waitForArrivals(1);
  await killDaemon(home, []);
  await back.open();
  const result = await run.finished;
  expect(result.code, result.stdout + result.stderr).toBe(0);
  expect(await showFile(cwd, "list.txt")).toBe("a\nb by first\nb by clash\nc");
  const { attempts, changes } = await showTask(home, cwd, ids.get("clash") ?? "");
  expect(attempts.map((attempt) => attempt.state)).toEqual(["succeeded", "interrupted", "succeeded"]);
  expect(rungsOf(changes[0])).toEqual(["hand-back worked"]);
});

test("two runs on one repository whose tasks all add to the end of one file keep every line", async () => {
  const cwd = await createProject("two-runs", { "list.txt": "start\n" });
  const keys = ["a", "b", "c", "d", "e"];
  const ids = await importScripts(
    home,
    cwd,
    Object.fromEntries(
      keys.map((key) => [
        key,
        {
          title: key,
          script: stages({ work: `echo ${key} >> list.txt`, "hand-back": keepBoth("list.txt") }),
        },
      ]),
    ),
  );
  const runs = await Promise.all([startRun(cwd, 3).finished, startRun(cwd, 3).finished]);
  for (const result of runs) expect(result.code, result.stdout + result.stderr).toBe(0);
  expect((await showFile(cwd, "list.txt")).split("\n").sort()).toEqual([...keys, "start"]);
  expect((await readLandedTasks(cwd, "main..canopy/main")).sort()).toEqual([...ids.values()].sort());
});

async function startGated(
  name: string,
): Promise<{ readonly cwd: string; readonly gate: Gate; readonly run: RunningCli }> {
  const cwd = await createProject(name, { "README.md": "# Work\n", "old.txt": "old\n" });
  const gate = await createGate(home.root, name);
  await importScripts(
    home,
    cwd,
    Object.fromEntries(
      ["a", "b", "c"].map((key) => [
        key,
        {
          title: key,
          script: `${key === "a" ? "" : gate.script}\necho ${key} > ${key}.txt`,
          priority: key === "a" ? 0 : 2,
        },
      ]),
    ),
  );
  const run = startRun(cwd, 3);
  await gate.waitForArrivals(2);
  await run.waitForOutput(/^landed/m);
  return { cwd, gate, run };
}

test("a base whose history a person rewrites during a run stays theirs, and the work lands", async () => {
  const { cwd, gate, run } = await startGated("rewritten");
  await writeFiles(cwd, { "new.txt": "new\n" });
  await userGit(cwd, "rm", "-q", "old.txt");
  await userGit(cwd, "add", "new.txt");
  await userGit(cwd, "commit", "-q", "--amend", "-m", "Another start");
  const main = await userGit(cwd, "rev-parse", "main");
  await gate.open();
  const result = await run.finished;
  expect(result.code, result.stdout + result.stderr).toBe(0);
  expect(await userGit(cwd, "rev-parse", "main")).toBe(main);
  const tree = await listTree(cwd);
  for (const key of ["a", "b", "c"]) expect(tree).toContain(`100644 ${key}.txt`);
  expect(await userGit(cwd, "status", "--porcelain")).toBe("");
});

test("a person's commit, put on the integration branch by hand during a run, is built upon", async () => {
  const { cwd, gate, run } = await startGated("by-hand");
  const landed = await userGit(cwd, "rev-parse", "canopy/main");
  const tree = await userGit(cwd, "rev-parse", "canopy/main^{tree}");
  const mine = await userGit(cwd, "commit-tree", tree, "-p", landed, "-m", "By hand");
  await userGit(cwd, "update-ref", "refs/heads/canopy/main", mine, landed);
  await gate.open();
  const result = await run.finished;
  expect(result.code, result.stdout + result.stderr).toBe(0);
  await userGit(cwd, "merge-base", "--is-ancestor", mine, "canopy/main");
  expect(await readLandedTasks(cwd, "main..canopy/main")).toHaveLength(3);
});

test("the integration branch set back by a person during a run stays set back, and the rest lands", async () => {
  const { cwd, gate, run } = await startGated("set-back");
  await userGit(cwd, "update-ref", "refs/heads/canopy/main", "main");
  await gate.open();
  const result = await run.finished;
  expect(result.code, result.stdout + result.stderr).toBe(0);
  expect((await readLanded(cwd, "main..canopy/main")).map((commit) => commit.subject).sort()).toEqual([
    "b",
    "c",
  ]);
});

test("after all of it every repository is sound, and garbage collection takes nothing that is needed", async () => {
  expect(repositories.length).toBeGreaterThan(5);
  for (const cwd of repositories) {
    await userGit(cwd, "config", "core.hooksPath", "/dev/null");
    expect([cwd, await userGit(cwd, "fsck", "--full", "--no-dangling", "--no-progress")]).toEqual([cwd, ""]);
    const refs = await userGit(cwd, "for-each-ref", "refs/canopy", "refs/heads");
    await userGit(cwd, "gc", "-q", "--prune=now");
    expect([cwd, await userGit(cwd, "fsck", "--full", "--no-dangling", "--no-progress")]).toEqual([cwd, ""]);
    expect(await userGit(cwd, "for-each-ref", "refs/canopy", "refs/heads")).toBe(refs);
  }
  // The daemon that had these repositories open goes on with them.
  const [cwd = ""] = repositories.slice(-1);
  await importScripts(home, cwd, { more: { title: "more", script: "echo more > more.txt" } });
  const result = await startRun(cwd, 1).finished;
  expect(result.code, result.stdout + result.stderr).toBe(0);
  await waitFor("the last work", async () => ((await showFile(cwd, "more.txt")) === "more" ? true : null));
});
