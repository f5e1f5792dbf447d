import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestRepository, userGit, writeFiles } from "./create-test-repository.ts";
import { NOTHING_LEFT } from "./find-leftovers.ts";
import { importScripts } from "./import-scripts.ts";
import { SCRIPT_AGENT } from "./large-run-tasks.ts";
import { createGate, showGates } from "./open-gate.ts";
import { openTestHome, parseJson } from "./open-test-home.ts";
import type { TestHome } from "./open-test-home.ts";
import { waitFor } from "./wait-for.ts";

const NO_AGENTS = "[queue.hand_back]\nattempts = 0\n[queue.resolver]\nattempts = 0\n";
const execute = promisify(execFile);

let home: TestHome;
let repository: string;

beforeAll(async () => {
  home = await openTestHome();
  repository = join(home.root, "work");
  await createTestRepository(repository, {
    "a.txt": "one\n",
    "b.txt": "b\nsecond\nthird\n",
    ".gitignore": "build/\n",
  });
  await showGates(repository, home.root);
  const config = join(repository, ".canopy/config.toml");
  const shown = await readFile(config, "utf8").catch(() => "");
  await writeFiles(repository, { ".canopy/config.toml": `${shown}\n${NO_AGENTS}` });
});
afterAll(async () => {
  const left = await home.shutDown();
  await home[Symbol.asyncDispose]();
  expect(left).toEqual(NOTHING_LEFT);
});

async function canopy(...args: readonly string[]): Promise<string> {
  const result = await home.canopy(args, { cwd: repository });
  expect(result.code, `${args.join(" ")}: ${result.stdout}${result.stderr}`).toBe(0);
  return result.stdout;
}

/** Two agents start from the same base: one lands, the other one's change conflicts. */
async function makeConflict(name: string, first: string, second: string): Promise<string> {
  const gate = await createGate(home.root, name);
  await importScripts(home, repository, {
    [`first-${name}`]: { title: "The first", script: `${gate.script}\n${first}`, priority: 0 },
    [`second-${name}`]: {
      title: "The second",
      script: `${gate.script}\nsleep 1\n${second}`,
      priority: 1,
    },
  });
  const running = home.canopy(["run", "-c", "2", "--agent", SCRIPT_AGENT, "--max-retries", "0"], {
    cwd: repository,
  });
  await gate.waitForArrivals(2);
  await gate.open();
  const { code, stdout, stderr } = await running;
  expect(code, stdout + stderr).toBe(1);
  const { changes } = await home.ask<{ changes: { changeId: string; state: string }[] }>(["queue"], {
    cwd: repository,
  });
  expect(changes.map((change) => change.state)).toEqual(["conflicted"]);
  return changes[0]?.changeId ?? "";
}

async function waitUntilLanded(changeId: string): Promise<void> {
  await waitFor("the change to land", async () => {
    const change = await home.ask<{ state: string }>(["queue", "show", changeId], { cwd: repository });
    return change.state === "landed" ? true : null;
  });
}

test("a conflict is explained, laid out, edited by hand and taken over, and lands", async () => {
  const changeId = await makeConflict(
    "by-hand",
    "echo first > a.txt; git rm -q b.txt",
    "echo second > a.txt; echo more >> b.txt",
  );
  const shown = await canopy("queue", "show", changeId);
  const first = /#\d+ "The first"/.exec(shown)?.[0] ?? "";
  expect(shown.split("\n").filter((line) => /^(conflict| {5})/.test(line))).toEqual([
    "conflict a.txt (content)",
    `           the same lines were changed by the branch (${first}) and by this change`,
    "conflict b.txt (modify/delete)",
    `           deleted by the branch (${first}), edited by this change`,
    "           ours: it stays deleted, the edit is lost",
    "           theirs: it comes back as this change edited it",
    "           base: it comes back as it was before both",
  ]);
  const folder = join(home.root, "by-hand");
  await canopy("queue", "resolve", changeId, "--checkout", folder);
  const early = await home.canopy(["queue", "resolve", changeId, "--from", folder], { cwd: repository });
  expect([early.code, early.stderr.split("\n")[0]]).toEqual([
    3,
    "canopy: conflict markers are left in: a.txt",
  ]);
  await writeFile(join(folder, "a.txt"), "first and second\n");
  await canopy("queue", "resolve", changeId, "--from", folder);
  await waitUntilLanded(changeId);
  expect([
    await userGit(repository, "show", "canopy/main:a.txt"),
    await userGit(repository, "show", "canopy/main:b.txt"),
    await userGit(repository, "status", "--porcelain", "--untracked-files=no"),
  ]).toEqual(["first and second", "b\nsecond\nthird\nmore", ""]);
  expect(await canopy("queue", "show", changeId)).toMatch(/tried {4}a person: worked · .*edited 2 files/);
});

test("a change that is out of the queue comes back from its patch, or by a side that is taken", async () => {
  const changeId = await makeConflict("by-patch", "echo third > c.txt", "echo fourth > c.txt");
  const partial = await home.canopy(["queue", "take", "ours", changeId, "no-such-file"], { cwd: repository });
  expect([partial.code, partial.stderr.split("\n")[0]]).toEqual([2, "canopy: not in conflict: no-such-file"]);
  const patches = join(home.root, "patches");
  const exported = parseJson<{ files: { ref: string; file: string }[] }>(
    await canopy("queue", "patches", "--export", patches, "--json"),
  );
  const change = await home.ask<{ attemptId: string }>(["queue", "show", changeId], { cwd: repository });
  const mine = exported.files.find(({ ref }) => ref.endsWith(change.attemptId));
  const check = await execute("git", ["apply", "--stat", mine?.file ?? ""], { cwd: repository });
  expect(check.stdout).toMatch(/c\.txt +\| +1 \+/);
  await canopy("queue", "eject", changeId, "-r", "later");
  expect(await canopy("queue", "list")).toMatch(/ejected .*later/);
  await canopy("queue", "patches", "--apply", mine?.ref ?? "");
  await waitFor("the conflict to be found again", async () => {
    const found = await home.ask<{ state: string }>(["queue", "show", changeId], { cwd: repository });
    return found.state === "conflicted" ? true : null;
  });
  await canopy("queue", "take", "union", changeId);
  await waitUntilLanded(changeId);
  expect(await userGit(repository, "show", "canopy/main:c.txt")).toBe("third\nfourth");
  expect(await canopy("queue", "list")).toBe("nothing is waiting\n");
});
