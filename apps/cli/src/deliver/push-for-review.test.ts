import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { isCanopyError } from "@canopy/protocol/errors";
import { afterEach, beforeEach, expect, test } from "vitest";
import { listReviewCommits, pushForReview } from "./push-for-review.ts";
import type { PushRequest } from "./push-for-review.ts";

const execute = promisify(execFile);
let root: string;
let environment: NodeJS.ProcessEnv;

async function git(cwd: string, ...args: readonly string[]): Promise<string> {
  return (await execute("git", [...args], { cwd, env: environment })).stdout.trim();
}

/** A clone of a bare repository, with one commit on `canopy/main`; and a PATH with git and nothing else. */
beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), "canopy-review-")));
  const bin = join(root, "bin");
  await mkdir(bin);
  const { stdout } = await execute("sh", ["-c", "command -v git"]);
  await symlink(stdout.trim(), join(bin, "git"));
  environment = {
    PATH: bin,
    HOME: root,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_AUTHOR_NAME: "Ada",
    GIT_AUTHOR_EMAIL: "ada@example.test",
    GIT_COMMITTER_NAME: "Ada",
    GIT_COMMITTER_EMAIL: "ada@example.test",
  };
  await git(root, "init", "-q", "--bare", "remote.git");
  await git(root, "init", "-q", "-b", "main", "work");
  const work = join(root, "work");
  await git(work, "remote", "add", "origin", join(root, "remote.git"));
  await git(work, "commit", "-q", "--allow-empty", "-m", "Start");
  await git(
    work,
    "branch",
    "canopy/main",
    await git(work, "commit-tree", "-p", "main", "-m", "Land", "main^{tree}"),
  );
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

function request(): PushRequest {
  return {
    cwd: join(root, "work"),
    environment,
    branch: "main",
    integrationBranch: "canopy/main",
    text: { title: "Paint it", body: "## Changes\n" },
  };
}

/** A `gh` that notes what it is asked and answers by a script. */
async function addGh(script: string): Promise<() => Promise<string[]>> {
  const log = join(root, "gh.log");
  const file = join(root, "bin/gh");
  await writeFile(log, "");
  await writeFile(file, `#!/bin/sh\nprintf '%s|' "$@" >> '${log}'; echo >> '${log}'\n${script}\n`);
  await chmod(file, 0o755);
  return async () => (await readFile(log, "utf8")).split("\n").filter(Boolean);
}

test("without gh the branch is pushed, and that is all", async () => {
  expect(await pushForReview(request())).toEqual({
    state: "pushed",
    remote: "origin",
    url: null,
    problem: null,
  });
  expect(await git(join(root, "remote.git"), "rev-parse", "canopy/main")).toBe(
    await git(join(root, "work"), "rev-parse", "canopy/main"),
  );
});

test("gh opens a pull request with the text, and gives an open one its new text", async () => {
  const body = join(root, "body");
  const readLog = await addGh(
    `case "$2" in list) ;; create) while read -r line; do echo "$line" >> '${body}'; done; echo https://example.test/pr/1;; esac`,
  );
  expect(await pushForReview(request())).toEqual({
    state: "opened",
    remote: "origin",
    url: "https://example.test/pr/1",
    problem: null,
  });
  expect([await readLog(), await readFile(body, "utf8")]).toEqual([
    [
      "pr|list|--head|canopy/main|--base|main|--state|open|--json|url|--jq|.[0].url|",
      "pr|create|--head|canopy/main|--base|main|--title|Paint it|--body-file|-|",
    ],
    "## Changes\n",
  ]);
  const readAgain = await addGh(`case "$2" in list) echo https://example.test/pr/7;; esac`);
  expect((await pushForReview(request())).state).toBe("updated");
  expect((await readAgain()).at(-1)).toBe("pr|edit|https://example.test/pr/7|--body-file|-|");
});

test("a gh that fails is told, for the push has happened", async () => {
  await addGh("echo 'not logged in' >&2; exit 4");
  expect(await pushForReview(request())).toEqual({
    state: "pushed",
    remote: "origin",
    url: null,
    problem: "gh: not logged in",
  });
});

test("what somebody else pushed is never overwritten, and a repository without a remote says so", async () => {
  const other = await git(join(root, "work"), "commit-tree", "-p", "main", "-m", "Theirs", "main^{tree}");
  await git(join(root, "work"), "push", "-q", "origin", `${other}:refs/heads/canopy/main`);
  const codeOf = async (): Promise<string> => {
    try {
      await pushForReview(request());
      return "ok";
    } catch (error) {
      if (isCanopyError(error)) return error.code;
      throw error;
    }
  };
  expect(await codeOf()).toBe("deliver.blocked");
  expect(await git(join(root, "remote.git"), "rev-parse", "canopy/main")).toBe(other);
  await git(join(root, "work"), "remote", "remove", "origin");
  expect(await codeOf()).toBe("usage.invalid");
});

test("the commits to review are those that the branch does not have", async () => {
  const { cwd } = request();
  const landed = await git(cwd, "rev-parse", "canopy/main");
  expect([
    await listReviewCommits(request(), "main", "canopy/main"),
    await listReviewCommits(request(), "canopy/main", "main"),
  ]).toEqual([[landed], []]);
});
