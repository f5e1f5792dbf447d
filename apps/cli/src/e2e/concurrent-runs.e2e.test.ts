import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Attempt, DaemonStatus } from "@canopy/protocol";
import { expect, test } from "vitest";
import { createTestRepository, userGit, writeFiles } from "./create-test-repository.ts";
import { NOTHING_LEFT, findProcessesOf } from "./find-leftovers.ts";
import { importScripts } from "./import-scripts.ts";
import type { ScriptTask } from "./import-scripts.ts";
import { SCRIPT_AGENT } from "./large-run-tasks.ts";
import { GATES_FOLDER, createGate, showGates } from "./open-gate.ts";
import { openTestHome } from "./open-test-home.ts";
import type { TestHome } from "./open-test-home.ts";
import { readLandedTasks } from "./read-landed.ts";
import { waitFor } from "./wait-for.ts";

const RUN = ["run", "-c", "3", "--agent", SCRIPT_AGENT];

/** Tasks whose agents notice when another agent does the same task at the same time. */
function createWatchfulTasks(folder: string, count: number): Record<string, ScriptTask> {
  const lock = `'${folder}'/lock-$CANOPY_TASK_ID`;
  return Object.fromEntries(
    Array.from({ length: count }, (_, index) => [
      `k${index}`,
      {
        title: `Write ${index}`,
        script: [
          `mkdir "${lock.replaceAll("'", "")}" || echo "$CANOPY_TASK_ID" >> '${folder}/overlaps'`,
          `echo x >> '${folder}/starts'`,
          `sleep 0.3; echo ${index} > out-${index}.txt`,
          `rmdir "${lock.replaceAll("'", "")}"`,
        ].join("\n"),
        dependsOn: index >= 6 ? [`k${index - 6}`] : [],
      },
    ]),
  );
}

/** Daemons that lost the race for the lock end by themselves, a moment later. */
async function waitForOneDaemon(home: TestHome): Promise<void> {
  await waitFor("a single daemon", async () => {
    const found = await findProcessesOf(home.root);
    return found.filter(({ command }) => command.includes("apps/daemon/src/main.ts")).length === 1
      ? true
      : null;
  });
}

async function checkRuns(
  home: TestHome,
  repositories: readonly [string, string],
  branch: string,
): Promise<void> {
  const [repository] = repositories;
  const ids = await importScripts(home, repository, createWatchfulTasks(join(home.root, GATES_FOLDER), 12));
  expect((await home.canopy(["down"])).code).toBe(0);
  const results = await Promise.all(repositories.map((cwd) => home.canopy(RUN, { cwd })));
  for (const result of results) expect(result.code, result.stdout + result.stderr).toBe(0);
  await waitForOneDaemon(home);
  await expect(readFile(join(home.root, GATES_FOLDER, "overlaps"))).rejects.toMatchObject({ code: "ENOENT" });
  expect((await readFile(join(home.root, GATES_FOLDER, "starts"), "utf8")).length / 2).toBe(12);
  expect((await readLandedTasks(repository, `main..${branch}`)).sort()).toEqual([...ids.values()].sort());
  for (const id of ids.values()) {
    const { attempts } = await home.ask<{ attempts: Attempt[] }>(["task", "show", id], { cwd: repository });
    expect(attempts.map((attempt) => attempt.state)).toEqual(["succeeded"]);
  }
}

test("two runs that start a daemon each at the same moment share one, and no task runs twice", async () => {
  await using home = await openTestHome();
  const repository = join(home.root, "work");
  await createTestRepository(repository);
  await showGates(repository, home.root);
  await checkRuns(home, [repository, repository], "canopy/main");
  expect(await home.shutDown()).toEqual(NOTHING_LEFT);
});

test("two runs from two linked worktrees are runs of one project; each lands on its own branch", async () => {
  await using home = await openTestHome();
  const repository = join(home.root, "work");
  const linked = join(home.root, "linked");
  await createTestRepository(repository);
  await userGit(repository, "worktree", "add", "-q", "-b", "side", linked);
  await showGates(repository, home.root);
  await showGates(linked, home.root, join(repository, ".git"));
  const ids = await importScripts(home, linked, createWatchfulTasks(join(home.root, GATES_FOLDER), 12));
  await home.canopy(["down"]);
  const results = await Promise.all([repository, linked].map((cwd) => home.canopy(RUN, { cwd })));
  for (const result of results) expect(result.code, result.stdout + result.stderr).toBe(0);
  await expect(readFile(join(home.root, GATES_FOLDER, "overlaps"))).rejects.toMatchObject({ code: "ENOENT" });
  const onMain = await readLandedTasks(repository, "main..canopy/main");
  const onSide = await readLandedTasks(repository, "side..canopy/side");
  expect([...onMain, ...onSide].sort()).toEqual([...ids.values()].sort());
  const status = await home.ask<DaemonStatus>(["status"]);
  expect(status.projects.map((project) => project.path)).toEqual([repository]);
  expect(await home.shutDown()).toEqual(NOTHING_LEFT);
});

test("a run in a linked worktree takes configuration and ignored files from there", async () => {
  await using home = await openTestHome();
  const repository = join(home.root, "work");
  const linked = join(home.root, "linked");
  await createTestRepository(repository, { ".gitignore": ".env\n.canopy/\n" });
  await userGit(repository, "worktree", "add", "-q", "-b", "side", linked);
  for (const [folder, name] of [
    [repository, "work"],
    [linked, "linked"],
  ] as const) {
    const command = `{ cat .env; echo agent of ${name}; } > got.txt`;
    const config = `[agents.mine]\ndriver = "command"\ncommand = ${JSON.stringify(command)}\n`;
    await writeFiles(folder, { ".env": `${name}\n`, ".canopy/config.toml": config });
    await home.ask(["task", "add", `In ${name}`], { cwd: folder });
    const run = await home.canopy(["run", "--agent", "mine"], { cwd: folder });
    expect(run.code, run.stdout + run.stderr).toBe(0);
  }
  expect(await userGit(repository, "show", "canopy/main:got.txt")).toBe("work\nagent of work");
  expect(await userGit(repository, "show", "canopy/side:got.txt")).toBe("linked\nagent of linked");
  expect(await home.shutDown()).toEqual(NOTHING_LEFT);
});

test("daemons of two users on one repository land on one branch, and neither loses the other's work", async () => {
  await using home = await openTestHome();
  await using other = await openTestHome();
  const repository = join(home.root, "work");
  await createTestRepository(repository);
  const createTasks = (name: string): Record<string, ScriptTask> =>
    Object.fromEntries(
      Array.from({ length: 8 }, (_, index) => [
        `${name}${index}`,
        { title: `${name} ${index}`, script: `echo ${index} > ${name}-${index}.txt` },
      ]),
    );
  const ids = [
    ...(await importScripts(home, repository, createTasks("ada"))).values(),
    ...(await importScripts(other, repository, createTasks("bob"))).values(),
  ];
  const results = await Promise.all([home, other].map((each) => each.canopy(RUN, { cwd: repository })));
  for (const result of results) expect(result.code, result.stdout + result.stderr).toBe(0);
  expect((await readLandedTasks(repository, "main..canopy/main")).sort()).toEqual(ids.sort());
  const left = await userGit(repository, "for-each-ref", "--format=%(refname)", "refs/canopy/bases");
  expect(left).toBe("");
  // Both at once, for each is seen in the repository that they share.
  const leftovers = await Promise.all([home, other].map((each) => each.shutDown()));
  expect(leftovers).toEqual([NOTHING_LEFT, NOTHING_LEFT]);
});

test("of many commands that start a daemon at the same moment none fails", async () => {
  await using home = await openTestHome();
  const results = await Promise.all(Array.from({ length: 6 }, () => home.canopy(["up"])));
  expect(results.map((result) => [result.code, result.stderr])).toEqual(results.map(() => [0, ""]));
  await waitForOneDaemon(home);
  expect(await home.shutDown()).toEqual(NOTHING_LEFT);
});

test("a daemon that is just stopping is waited for, then another one starts", async () => {
  await using home = await openTestHome();
  const repository = join(home.root, "work");
  await createTestRepository(repository);
  await showGates(repository, home.root);
  const gate = await createGate(home.root);
  const deaf = `trap '' TERM INT\n${gate.script}`;
  await importScripts(home, repository, { one: { title: "Deaf", script: deaf } });
  const run = home.start([...RUN, "--timeout", "1m"], { cwd: repository });
  await gate.waitForArrivals(1);
  const stopping = home.daemonPid();
  const down = home.start(["down"]);
  await waitFor("a daemon that answers no more", async () =>
    (await home.canopy(["status"])).code === 7 ? true : null,
  );
  const up = await home.canopy(["up", "--json"]);
  expect([up.code, (await down.finished).code], up.stderr).toEqual([0, 0]);
  expect(home.daemonPid()).not.toBe(stopping);
  await gate.open();
  expect((await run.finished).code).toBe(0);
  expect(await home.shutDown()).toEqual(NOTHING_LEFT);
});

test("each step of a run is shown, also when the daemon has seen runs before", async () => {
  await using home = await openTestHome();
  const cwd = join(home.root, "work");
  await createTestRepository(cwd);
  const steps: string[][] = [];
  for (const name of ["first", "second", "third"]) {
    await home.ask(["task", "add", name], { cwd });
    const { stdout } = await home.canopy(["run", "--agent", `command:echo ${name} > ${name}.txt`], { cwd });
    steps.push(stdout.split("\n").flatMap((line) => /^(\w+) +#\d/.exec(line)?.[1] ?? []));
  }
  const all = ["started", "finished", "landed"];
  expect(steps).toEqual([all, all, all]);
  expect(await home.shutDown()).toEqual(NOTHING_LEFT);
});
