import { spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parseGitHookCall } from "../git/git-hook-call.ts";
import type { GitHookCall } from "../git/git-hook-call.ts";
import { applyEdits } from "./apply-edits.ts";
import { applyGitSteps, findHooksFolder, planGitSetup, planGitUninstall } from "./git-setup.ts";
import { planClientSetup } from "./plan-setup.ts";

let folder: string;
let repository: string;
let stateDir: string;
let seen: GitHookCall[];
let isRefused: boolean;
let stop: () => Promise<void>;

interface Result {
  readonly code: number | null;
  readonly output: string;
}

function git(cwd: string, ...args: string[]): Promise<Result> {
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: folder,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_AUTHOR_NAME: "a",
    GIT_AUTHOR_EMAIL: "a@x",
    GIT_COMMITTER_NAME: "a",
    GIT_COMMITTER_EMAIL: "a@x",
    LOG: join(folder, "log"),
  };
  const child = spawn("git", args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) => {
    child.on("close", (code) => resolve({ code, output: Buffer.concat(chunks).toString() }));
  });
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "canopy-git-hooks-"));
  repository = join(folder, "re po");
  stateDir = join(folder, "state");
  seen = [];
  isRefused = false;
  await git(folder, "init", "-q", "-b", "main", repository);
  applyEdits(planClientSetup(stateDir), stateDir);
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const call = parseGitHookCall(Buffer.concat(chunks).toString());
      if (call !== null) seen.push(call);
      if (isRefused) response.setHeader("canopy-exit", "1");
      response.end(isRefused ? "a.ts is held by ada\n" : "");
    });
  });
  await new Promise<void>((resolve) => server.listen(join(stateDir, "hook.sock"), resolve));
  stop = () => new Promise((resolve) => void server.close(() => resolve()));
});

afterEach(async () => {
  await stop();
  rmSync(folder, { recursive: true, force: true });
});

function setUp(cwd = repository): number {
  const steps = planGitSetup(findHooksFolder(cwd), stateDir);
  applyGitSteps(steps);
  return steps.length;
}

function takeOut(cwd = repository): void {
  applyGitSteps(planGitUninstall(findHooksFolder(cwd)));
}

function snapshot(hooks: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(hooks).map((name) => {
      const path = join(hooks, name);
      const stats = lstatSync(path);
      return [
        name,
        `${(stats.mode & 0o7777).toString(8)} ${stats.isFile() ? readFileSync(path, "utf8") : "link"}`,
      ];
    }),
  );
}

function hook(path: string, text: string, mode = 0o755): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, mode);
}

async function commit(cwd: string, name: string): Promise<Result> {
  writeFileSync(join(cwd, name), name);
  await git(cwd, "add", name);
  return git(cwd, "commit", "-q", "-m", name);
}

test("a commit asks, says where it is, and is stopped by a no; each ref it moves is asked for once", async () => {
  expect([setUp(), setUp()]).toEqual([3, 0]);
  expect((await commit(repository, "a")).code).toBe(0);
  expect(seen.map(({ hook: name, args, cwd }) => [name, args, cwd])).toEqual([
    ["pre-commit", [], repository],
    ["reference-transaction", ["prepared"], repository],
    ["reference-transaction", ["committed"], repository],
  ]);
  expect(seen[1]?.updates.map(({ ref }) => ref)).toContain("refs/heads/main");
  seen.length = 0;
  expect((await git(repository, "tag", "v1")).code).toBe(0);
  expect(seen).toEqual([]);
  isRefused = true;
  const refused = await commit(repository, "b");
  expect([refused.code, refused.output]).toEqual([1, "a.ts is held by ada\n"]);
  const branch = await git(repository, "branch", "other");
  expect([branch.code === 0, branch.output.includes("a.ts is held by ada")]).toEqual([false, true]);
  takeOut();
  expect((await commit(repository, "c")).code).toBe(0);
  expect(readdirSync(findHooksFolder(repository)).filter((name) => !name.endsWith(".sample"))).toEqual([]);
});

test("a push tells what it would change, and the hook that was there gets the same", async () => {
  await git(folder, "init", "-q", "--bare", "remote");
  await commit(repository, "a");
  const hooks = findHooksFolder(repository);
  hook(join(hooks, "pre-push"), '#!/bin/sh\necho "theirs $1" > "$LOG"\ncat >> "$LOG"\n');
  setUp();
  expect((await git(repository, "push", "-q", join(folder, "remote"), "main")).code).toBe(0);
  const push = seen.find(({ hook: name }) => name === "pre-push");
  expect(push?.updates.map(({ ref, oldId }) => [ref, oldId])).toEqual([["refs/heads/main", "0".repeat(40)]]);
  const log = readFileSync(join(folder, "log"), "utf8").split("\n");
  expect([log[0], log[1]?.startsWith("refs/heads/main ")]).toEqual([
    `theirs ${join(folder, "remote")}`,
    true,
  ]);
});

test("hooks that were there run after ours, of any kind, and come back as they were", async () => {
  const hooks = findHooksFolder(repository);
  hook(
    join(hooks, "pre-commit"),
    `#!${process.execPath}\nrequire("fs").writeFileSync(process.env.LOG, "node"); process.exit(3);\n`,
    0o750,
  );
  hook(join(folder, "shared.sh"), '#!/usr/bin/env bash\n[[ "$1" == prepared ]] && cat >> "$LOG"\ntrue\n');
  symlinkSync(join(folder, "shared.sh"), join(hooks, "reference-transaction"));
  hook(join(hooks, "pre-push"), "#!/bin/sh\nexit 1\n", 0o644);
  const before = snapshot(hooks);
  setUp();
  expect((await commit(repository, "a")).code).not.toBe(0);
  expect(readFileSync(join(folder, "log"), "utf8")).toBe("node");
  rmSync(join(hooks, "pre-commit.before-canopy"));
  expect((await commit(repository, "a")).code).toBe(0);
  expect(readFileSync(join(folder, "log"), "utf8")).toContain("refs/heads/main");
  hook(
    join(hooks, "pre-commit.before-canopy"),
    `#!${process.execPath}\nrequire("fs").writeFileSync(process.env.LOG, "node"); process.exit(3);\n`,
    0o750,
  );
  takeOut();
  expect(snapshot(hooks)).toEqual(before);
});

test("core.hooksPath is where it goes, and a hook that finds its parts by its own name still does", async () => {
  await git(repository, "config", "core.hooksPath", ".husky/_");
  hook(join(repository, ".husky/_/pre-commit"), '#!/usr/bin/env sh\n. "$(dirname "$0")/h"\n');
  hook(
    join(repository, ".husky/_/h"),
    'n=$(basename "$0")\ns=$(dirname "$(dirname "$0")")/$n\n[ ! -f "$s" ] && exit 0\nsh -e "$s" "$@"\n',
    0o644,
  );
  hook(join(repository, ".husky/pre-commit"), 'echo "husky ran" > "$LOG"\n', 0o644);
  expect(findHooksFolder(repository)).toBe(join(repository, ".husky/_"));
  setUp();
  expect((await commit(repository, "a")).code).toBe(0);
  expect([readFileSync(join(folder, "log"), "utf8"), seen[0]?.hook]).toEqual(["husky ran\n", "pre-commit"]);
});

test("a linked worktree shares the repository's hooks, and says which it is", async () => {
  await commit(repository, "a");
  const linked = join(folder, "linked");
  await git(repository, "worktree", "add", "-q", "-b", "side", linked);
  setUp(linked);
  expect(findHooksFolder(linked)).toBe(join(repository, ".git/hooks"));
  expect((await commit(linked, "b")).code).toBe(0);
  expect([seen[0]?.cwd, seen[0]?.env["GIT_DIR"]]).toEqual([
    linked,
    join(repository, ".git/worktrees/linked"),
  ]);
});

test("without a daemon, and without the client, git goes on", async () => {
  setUp();
  await stop();
  const lost = await commit(repository, "a");
  expect([lost.code, lost.output.includes("Canopy cannot be reached")]).toEqual([0, true]);
  rmSync(join(stateDir, "hook"), { recursive: true });
  expect(await commit(repository, "b")).toEqual({ code: 0, output: "" });
  stop = () => Promise.resolve();
});

test("a hook that another program put in our place stays; two that both want to be kept are refused", () => {
  const hooks = findHooksFolder(repository);
  hook(join(hooks, "pre-commit"), "#!/bin/sh\n# first\n");
  setUp();
  hook(join(hooks, "pre-commit"), "#!/bin/sh\n# second\n");
  expect(() => planGitSetup(hooks, stateDir)).toThrow("is not of our making");
  takeOut();
  expect(readFileSync(join(hooks, "pre-commit"), "utf8")).toBe("#!/bin/sh\n# second\n");
  expect(existsSync(join(hooks, "pre-commit.before-canopy"))).toBe(true);
  expect(() => findHooksFolder(folder)).toThrow("in no git repository");
});
