import { join } from "node:path";
import type { Attempt, Run } from "@canopy/protocol";
import { readRepositoryIdentity, snapshotCheckout } from "@canopy/git";
import { expect, test } from "vitest";
import { createTestRepository, userGit, writeFiles } from "./create-test-repository.ts";
import { digestGitDirectory } from "./digest-git-directory.ts";
import { NOTHING_LEFT, isProcessAlive } from "./find-leftovers.ts";
import { importScripts } from "./import-scripts.ts";
import type { ScriptTask } from "./import-scripts.ts";
import { SCRIPT_AGENT } from "./large-run-tasks.ts";
import { createGate, showGates } from "./open-gate.ts";
import { openTestHome } from "./open-test-home.ts";
import type { TestHome } from "./open-test-home.ts";
import { readLandedTasks } from "./read-landed.ts";
import { waitFor } from "./wait-for.ts";

const RUN = ["run", "-c", "3", "--agent", SCRIPT_AGENT];

/** Tasks that each write a file of their own, after `wait`; the last waits for the first. */
function createTasks(count: number, wait: string): Record<string, ScriptTask> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, index) => [
      `k${index}`,
      {
        title: `Write ${index}`,
        script: `${wait}\necho ${index} > out-${index}.txt`,
        dependsOn: index === count - 1 ? ["k0"] : [],
      },
    ]),
  );
}

/** Checks that no two attempts of one task were at work at the same time; answers how many there were. */
async function countAttempts(home: TestHome, repository: string, taskIds: Iterable<string>): Promise<number> {
  let count = 0;
  for (const taskId of taskIds) {
    const { attempts } = await home.ask<{ attempts: Attempt[] }>(["task", "show", taskId], {
      cwd: repository,
    });
    count += attempts.length;
    for (const [index, attempt] of attempts.entries()) {
      const previous = attempts[index - 1];
      if (previous !== undefined) expect(attempt.startedAtMs).toBeGreaterThanOrEqual(previous.endedAtMs!);
    }
  }
  return count;
}

test("a rebase that the user begins during a run is left as it is, and the work lands", async () => {
  await using home = await openTestHome();
  const repository = join(home.root, "work");
  await createTestRepository(repository, { "a.txt": "1\n", "b.txt": "1\n" });
  await userGit(repository, "checkout", "-q", "-b", "topic");
  await writeFiles(repository, { "a.txt": "topic\n" });
  await userGit(repository, "commit", "-q", "-a", "-m", "Topic");
  await userGit(repository, "checkout", "-q", "main");
  await writeFiles(repository, { "a.txt": "main\n" });
  await userGit(repository, "commit", "-q", "-a", "-m", "Main");
  await showGates(repository, home.root);
  const gate = await createGate(home.root);
  const ids = await importScripts(home, repository, createTasks(4, gate.script));

  const run = home.start(RUN, { cwd: repository });
  await gate.waitForArrivals(3);
  await expect(userGit(repository, "rebase", "-q", "topic")).rejects.toThrow(/conflict/i);
  await writeFiles(repository, { "a.txt": "half resolved\n" });
  const identity = await readRepositoryIdentity(repository);
  const before = [await snapshotCheckout(identity), await digestGitDirectory(join(repository, ".git"))];
  await gate.open();
  const result = await run.finished;
  expect(result.code, result.stdout + result.stderr).toBe(0);
  expect([await snapshotCheckout(identity), await digestGitDirectory(join(repository, ".git"))]).toEqual(
    before,
  );
  expect((await readLandedTasks(repository, "main..canopy/main")).sort()).toEqual([...ids.values()].sort());

  const refused = await home.canopy(["deliver"], { cwd: repository });
  expect({ code: refused.code, stdout: refused.stdout }).toEqual({ code: 2, stdout: "" });
  expect(refused.stderr).toMatch(/^canopy: HEAD is detached at .+\n {2}.+\n$/);
  await userGit(repository, "rebase", "--abort");
  expect((await home.canopy(["deliver"], { cwd: repository })).code).toBe(0);
  expect(await userGit(repository, "rev-parse", "main")).toBe(
    await userGit(repository, "rev-parse", "canopy/main"),
  );
  expect(await home.shutDown()).toEqual(NOTHING_LEFT);
});

test("a commit that the user makes during a run is delivered together with the work", async () => {
  await using home = await openTestHome();
  const repository = join(home.root, "work");
  await createTestRepository(repository);
  await showGates(repository, home.root);
  const gate = await createGate(home.root);
  const ids = await importScripts(home, repository, createTasks(4, gate.script));
  const run = home.start(RUN, { cwd: repository });
  await gate.waitForArrivals(3);
  await writeFiles(repository, { "mine.txt": "mine\n" });
  await userGit(repository, "add", "mine.txt");
  await userGit(repository, "commit", "-q", "-m", "My own work");
  const mine = await userGit(repository, "rev-parse", "main");
  await writeFiles(repository, { "README.md": "# Dirty\n" });
  await gate.open();
  const result = await run.finished;
  expect(result.code, result.stdout + result.stderr).toBe(0);
  expect(await userGit(repository, "rev-parse", "main")).toBe(mine);

  const delivered = await home.canopy(["deliver"], { cwd: repository });
  expect(delivered.code, delivered.stdout + delivered.stderr).toBe(0);
  await userGit(repository, "merge-base", "--is-ancestor", mine, "main");
  expect((await readLandedTasks(repository, `${mine}..main`)).sort()).toEqual([...ids.values()].sort());
  expect(await userGit(repository, "status", "--porcelain")).toBe(" M README.md");
  expect(await userGit(repository, "ls-tree", "--name-only", "main")).toBe(
    [".gitignore", "README.md", "mine.txt", "out-0.txt", "out-1.txt", "out-2.txt", "out-3.txt"].join("\n"),
  );
  expect(await home.shutDown()).toEqual(NOTHING_LEFT);
});

test("a commit of the user's that conflicts with the work blocks the delivery and says in which file", async () => {
  await using home = await openTestHome();
  const repository = join(home.root, "work");
  await createTestRepository(repository);
  await showGates(repository, home.root);
  const gate = await createGate(home.root);
  await importScripts(home, repository, {
    one: { title: "Theirs", script: `${gate.script}\necho theirs > README.md` },
  });
  const run = home.start(RUN, { cwd: repository });
  await gate.waitForArrivals(1);
  await writeFiles(repository, { "README.md": "mine\n" });
  await userGit(repository, "commit", "-q", "-a", "-m", "Mine");
  await gate.open();
  expect((await run.finished).code).toBe(0);
  const identity = await readRepositoryIdentity(repository);
  const before = await snapshotCheckout(identity);
  const blocked = await home.canopy(["deliver"], { cwd: repository });
  expect(blocked.code).toBe(1);
  expect(blocked.stdout).toContain("conflict: README.md");
  expect(await snapshotCheckout(identity)).toEqual(before);
  expect(await home.shutDown()).toEqual(NOTHING_LEFT);
});

test("a daemon that is killed twice half-way is started again by the run, which lands everything once", async () => {
  await using home = await openTestHome();
  const repository = join(home.root, "work");
  await createTestRepository(repository);
  const orphan = `(setsid sleep 600 >/dev/null 2>&1 &)`;
  const ids = await importScripts(home, repository, createTasks(16, `${orphan}\nsleep 0.2`));
  const run = home.start(RUN, { cwd: repository });
  const killed: number[] = [];
  for (const landedCount of [3, 8]) {
    await waitFor(`${landedCount} landed`, () =>
      (run.output().match(/^landed/gm) ?? []).length >= landedCount ? true : null,
    );
    const pid = await waitFor("another daemon", () => {
      const now = home.daemonPid();
      return now !== null && !killed.includes(now) ? now : null;
    });
    process.kill(pid, "SIGKILL");
    killed.push(pid);
  }
  const result = await run.finished;
  expect(result.code, result.stdout + result.stderr).toBe(0);
  expect(killed.includes(home.daemonPid()!)).toBe(false);
  expect((await readLandedTasks(repository, "main..canopy/main")).sort()).toEqual([...ids.values()].sort());
  expect(await countAttempts(home, repository, ids.values())).toBeGreaterThan(16);
  expect((await userGit(repository, "ls-tree", "--name-only", "canopy/main")).split("\n")).toHaveLength(18);
  expect(await home.shutDown()).toEqual(NOTHING_LEFT);
});

test("what an agent had done when its daemon was killed is kept under its attempt", async () => {
  await using home = await openTestHome();
  const repository = join(home.root, "work");
  await createTestRepository(repository);
  await showGates(repository, home.root);
  const gate = await createGate(home.root);
  const script = `echo "$CANOPY_ATTEMPT_NUMBER" > half.txt\n${gate.script}\necho done > whole.txt`;
  const ids = await importScripts(home, repository, { one: { title: "Slow", script } });
  const run = home.start(RUN, { cwd: repository });
  await gate.waitForArrivals(1);
  process.kill(home.daemonPid()!, "SIGKILL");
  await gate.open();
  expect((await run.finished).code).toBe(0);
  const [taskId = ""] = ids.values();
  const { attempts } = await home.ask<{ attempts: Attempt[] }>(["task", "show", taskId], { cwd: repository });
  expect(attempts.map((attempt) => attempt.state)).toEqual(["interrupted", "succeeded"]);
  const show = (index: number, path: string): Promise<string> =>
    userGit(repository, "show", `${attempts[index]?.capture?.ref ?? "none"}:${path}`);
  expect([await show(0, "half.txt"), await show(1, "half.txt")]).toEqual(["1", "2"]);
  await expect(show(0, "whole.txt")).rejects.toThrow();
  expect(await home.shutDown()).toEqual(NOTHING_LEFT);
});

test("when the command is killed the daemon goes on to the end", async () => {
  await using home = await openTestHome();
  const repository = join(home.root, "work");
  await createTestRepository(repository);
  await showGates(repository, home.root);
  const gate = await createGate(home.root);
  const ids = await importScripts(home, repository, createTasks(5, gate.script));
  const run = home.start(RUN, { cwd: repository });
  await gate.waitForArrivals(3);
  run.send("SIGKILL");
  expect((await run.finished).signal).toBe("SIGKILL");
  expect(isProcessAlive(home.daemonPid()!)).toBe(true);
  await gate.open();
  const ended = await waitFor("the end of the run", async () => {
    const { runs } = await home.ask<{ runs: Run[] }>(["history"], { cwd: repository });
    return runs[0]?.state === "completed" ? runs[0] : null;
  });
  expect(ended.totals.landed).toBe(5);
  expect((await readLandedTasks(repository, "main..canopy/main")).sort()).toEqual([...ids.values()].sort());
  expect(await home.shutDown()).toEqual(NOTHING_LEFT);
});

test("Ctrl-C once ends the run when what is at work has landed; twice ends it at once and keeps the work", async () => {
  await using home = await openTestHome();
  const repository = join(home.root, "work");
  await createTestRepository(repository);
  await showGates(repository, home.root);
  const first = await createGate(home.root, "first");
  const ids = await importScripts(home, repository, createTasks(6, first.script));
  const run = home.start(RUN, { cwd: repository });
  await first.waitForArrivals(3);
  run.send("SIGINT");
  await run.waitForOutput(/stopping/);
  await first.open();
  const drained = await run.finished;
  expect(drained.code, drained.stdout + drained.stderr).toBe(130);
  expect(await readLandedTasks(repository, "main..canopy/main")).toHaveLength(3);

  const second = await createGate(home.root, "second");
  for (const id of ids.values()) {
    await home.canopy(["task", "update", id, "-d", `echo half > half-$CANOPY_TASK_ID\n${second.script}`], {
      cwd: repository,
    });
  }
  const again = home.start(RUN, { cwd: repository });
  await second.waitForArrivals(3);
  again.send("SIGINT");
  await again.waitForOutput(/stopping: /);
  again.send("SIGINT");
  const stopped = await again.finished;
  expect(stopped.code, stopped.stdout + stopped.stderr).toBe(130);
  const { runs } = await home.ask<{ runs: Run[] }>(["history"], { cwd: repository });
  const { attempts } = await home.ask<{ attempts: Attempt[] }>(["history", runs[0]!.runId], {
    cwd: repository,
  });
  expect(attempts.map((attempt) => attempt.state)).toEqual(["interrupted", "interrupted", "interrupted"]);
  for (const { capture, taskId } of attempts) {
    expect(await userGit(repository, "show", `${capture?.ref ?? "none"}:half-${taskId}`)).toBe("half");
  }
  expect(await home.shutDown()).toEqual(NOTHING_LEFT);
});
