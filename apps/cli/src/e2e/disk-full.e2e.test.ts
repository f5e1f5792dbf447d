import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Run } from "@canopy/protocol";
import { expect, test } from "vitest";
import { createTestRepository, userGit, writeFiles } from "./create-test-repository.ts";
import { NOTHING_LEFT } from "./find-leftovers.ts";
import { importScripts } from "./import-scripts.ts";
import { SCRIPT_AGENT } from "./large-run-tasks.ts";
import { openTestHome } from "./open-test-home.ts";
import type { CliOptions, TestHome } from "./open-test-home.ts";
import { readLanded } from "./read-landed.ts";

/** Options for commands in the mount namespace of this home's daemon. */
function insideOf(pid: number, cwd: string): CliOptions {
  return {
    cwd: "/",
    prefix: ["nsenter", "-t", String(pid), "-m", "sh", "-c", `cd '${cwd}' && exec "$@"`, "sh"],
  };
}

/** Starts the home's daemon in a mount namespace of its own, with a small file system at `folder`. */
async function startOnSmallDisk(home: TestHome, folder: string, size: string): Promise<number> {
  const script = `mkdir -p '${folder}' && mount -t tmpfs -o size=${size} tmpfs '${folder}' && exec "$@"`;
  const up = await home.canopy(["up"], { prefix: ["unshare", "-m", "sh", "-c", script, "sh"] });
  expect(up.code, up.stderr).toBe(0);
  const pid = /pid (\d+)/.exec(up.stdout)?.[1];
  return Number(pid);
}

test("a full cache ends the run with one clear reason; with space again the same run lands", async () => {
  await using home = await openTestHome();
  const repository = join(home.root, "work");
  await createTestRepository(repository);
  await writeFiles(repository, { "large.bin": new Uint8Array(3_000_000).fill(7) });
  await userGit(repository, "add", "-A");
  await userGit(repository, "commit", "-q", "-m", "Large");
  const cache = join(home.canopyHome, "cache");
  const pid = await startOnSmallDisk(home, cache, "2m");
  const inside = insideOf(pid, repository);
  const ids = await importScripts(home, repository, { one: { title: "One", script: "echo 1 > one.txt" } });
  const failed = await home.canopy(["run", "--agent", SCRIPT_AGENT, "--max-retries", "0"], inside);
  expect(failed.code, failed.stdout + failed.stderr).toBe(1);
  expect(failed.stdout).toMatch(/FAILED +#1 .+the disk is full: could not write in .+cache/);
  expect(failed.stderr).toBe("");
  expect((await readdir(`/proc/${pid}/root${cache}/workspaces`)).sort()).toEqual([]);
  expect(await readLanded(repository, "main..canopy/main")).toEqual([]);

  const enlarge = `mount -o remount,size=64m '${cache}' && exec "$@"`;
  const enlarged = { prefix: ["nsenter", "-t", String(pid), "-m", "sh", "-c", enlarge, "sh"] };
  expect((await home.canopy(["status"], enlarged)).code).toBe(0);
  for (const id of ids.values()) await home.ask(["task", "reopen", id], { cwd: repository });
  const again = await home.canopy(["run", "--agent", SCRIPT_AGENT], inside);
  expect(again.code, again.stdout + again.stderr).toBe(0);
  expect(await userGit(repository, "show", "canopy/main:one.txt")).toBe("1");
  expect(await home.shutDown()).toEqual(NOTHING_LEFT);
});

test("an agent that fills the disk fails alone, what could be kept is kept, and Canopy goes on", async () => {
  await using home = await openTestHome();
  const repository = join(home.root, "work");
  await createTestRepository(repository);
  const pid = await startOnSmallDisk(home, join(home.canopyHome, "cache"), "8m");
  const inside = insideOf(pid, repository);
  await importScripts(home, repository, {
    greedy: { title: "Greedy", script: "head -c 50000000 /dev/zero > huge.bin", priority: 0 },
    modest: { title: "Modest", script: "echo 1 > modest.txt" },
  });
  const run = await home.canopy(["run", "-c", "1", "--agent", SCRIPT_AGENT, "--max-retries", "0"], inside);
  expect(run.code, run.stdout + run.stderr).toBe(1);
  expect(run.stdout).toMatch(/FAILED +#1 +Greedy .*No space left on device/);
  expect(await userGit(repository, "ls-tree", "--name-only", "canopy/main")).toContain("modest.txt");
  expect(await home.shutDown()).toEqual(NOTHING_LEFT);
});

test("a full state folder refuses with one line, loses nothing, and works again when there is space", async () => {
  await using home = await openTestHome();
  const repository = join(home.root, "work");
  await createTestRepository(repository);
  const pid = await startOnSmallDisk(home, home.canopyHome, "3m");
  const inside = insideOf(pid, repository);
  const added = await home.ask<{ id: string }>(["task", "add", "Before"], inside);
  const filler = `/proc/${pid}/root${home.canopyHome}/filler`;
  await home.canopy(["status"], {
    ...inside,
    prefix: ["sh", "-c", `head -c 9000000 /dev/zero > '${filler}' 2>/dev/null; exec "$@"`, "sh"],
  });
  const refused = await home.canopy(["task", "add", "While full", "-d", "x".repeat(100_000)], inside);
  expect({ code: refused.code, stdout: refused.stdout }, refused.stderr).toEqual({ code: 1, stdout: "" });
  expect(refused.stderr).toMatch(/^canopy: no room left on the disk to write .+\n(?: {2}[^\n]+\n)?$/);
  await rm(filler);
  const after = await home.ask<{ number: number }>(["task", "add", "After"], inside);
  expect(after.number).toBe(2);
  const { tasks } = await home.ask<{ tasks: { id: string; title: string }[] }>(["task", "list"], inside);
  expect(tasks.map((task) => task.title)).toEqual(["Before", "After"]);
  expect(tasks[0]?.id).toBe(added.id);
  const { runs } = await home.ask<{ runs: Run[] }>(["history"], inside);
  expect(runs).toEqual([]);
  expect((await home.canopy(["down"], inside)).code).toBe(0);
});
