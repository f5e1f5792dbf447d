import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Task } from "@canopy/protocol";
import { readRepositoryIdentity, snapshotCheckout } from "@canopy/git";
import { expect, test } from "vitest";
import type { RunSummary } from "../run/summarize-run.ts";
import { createLargeRepository, largeFilePath, userGit, writeFiles } from "./create-test-repository.ts";
import { digestGitDirectory } from "./digest-git-directory.ts";
import { NOTHING_LEFT } from "./find-leftovers.ts";
import {
  LARGE_RUN_SIZE,
  SCRIPT_AGENT,
  chainFile,
  createLargeRunTasks,
  formatTaskFile,
} from "./large-run-tasks.ts";
import { openTestHome, parseJson } from "./open-test-home.ts";
import { readChangedPaths, readLanded } from "./read-landed.ts";

type JsonTask = Pick<Task, "number" | "externalReference" | "status"> & { readonly id: string };

/** Dirty, staged and untracked files and a stash, as a person in the middle of something has them. */
async function makeMess(repository: string): Promise<void> {
  await writeFiles(repository, { [largeFilePath(199, 90)]: "stashed\n" });
  await userGit(repository, "stash", "push", "-q", "-m", "for later");
  await writeFiles(repository, {
    [largeFilePath(199, 91)]: "dirty\n",
    [largeFilePath(199, 92)]: "staged\n",
    "an untracked file.txt": "mine\n",
    "build/mine.o": "ignored, mine\n",
  });
  await userGit(repository, "add", largeFilePath(199, 92));
  await writeFiles(repository, { [largeFilePath(199, 92)]: "staged, then changed again\n" });
}

test("forty tasks on 20,001 files land exactly once and in order, and the checkout is not touched", async () => {
  await using home = await openTestHome();
  const repository = join(home.root, "work");
  await createLargeRepository(repository, LARGE_RUN_SIZE.directories, LARGE_RUN_SIZE.files);
  await makeMess(repository);
  const tasks = createLargeRunTasks(40);
  const taskFile = join(home.root, "tasks.jsonl");
  await writeFile(taskFile, formatTaskFile(tasks));
  const identity = await readRepositoryIdentity(repository);
  const before = await snapshotCheckout(identity);
  const gitBefore = await digestGitDirectory(join(repository, ".git"));
  const base = await userGit(repository, "rev-parse", "main");
  const subfolder = join(repository, "packages", "p001");

  const imported = await home.ask<{ createdCount: number }>(["task", "import", taskFile], { cwd: subfolder });
  expect(imported.createdCount).toBe(40);
  const startedMs = Date.now();
  const result = await home.canopy(["run", "-c", "8", "--agent", SCRIPT_AGENT, "--json"], { cwd: subfolder });
  const tookMs = Date.now() - startedMs;
  expect({ code: result.code, stderr: result.stderr }, result.stdout).toEqual({ code: 0, stderr: "" });
  const summary = parseJson<RunSummary>(result.stdout);
  expect({ landed: summary.landed.length, integrationBranch: summary.integrationBranch }).toEqual({
    landed: 40,
    integrationBranch: "canopy/main",
  });

  const listed = await home.ask<{ tasks: JsonTask[] }>(["task", "list", "--all"], { cwd: subfolder });
  const idByKey = new Map(listed.tasks.map((task) => [task.externalReference ?? "", task.id]));
  const commits = await readLanded(repository, `${base}..canopy/main`);
  const order = commits.map((commit) => commit.trailers["Task"]?.join());
  expect(new Set(order)).toEqual(new Set(idByKey.values()));
  expect(order.length).toBe(idByKey.size);
  for (const task of tasks) {
    const position = order.indexOf(idByKey.get(task.key));
    for (const on of task.dependsOn) expect(order.indexOf(idByKey.get(on))).toBeLessThan(position);
  }
  await checkCommits({ repository, summary, tasks, idByKey, commits });
  await checkContents(repository, tasks.length);

  const gitAfter = await digestGitDirectory(join(repository, ".git"));
  expect(await snapshotCheckout(identity)).toEqual(before);
  expect(gitAfter).toEqual(gitBefore);
  console.info(`large run: 40 tasks, 20,001 files, -c 8: ${(tookMs / 1000).toFixed(1)} s`);

  const delivered = await home.canopy(["deliver"], { cwd: subfolder });
  expect({ code: delivered.code, stderr: delivered.stderr }, delivered.stdout).toEqual({
    code: 0,
    stderr: "",
  });
  expect(await userGit(repository, "rev-parse", "main")).toBe(commits.at(-1)?.commit);
  expect(await userGit(repository, "status", "--porcelain")).toBe(
    [` M ${largeFilePath(199, 91)}`, `MM ${largeFilePath(199, 92)}`, '?? "an untracked file.txt"'].join("\n"),
  );
  expect(await home.shutDown()).toEqual(NOTHING_LEFT);
});

interface Landed {
  readonly repository: string;
  readonly summary: RunSummary;
  readonly tasks: ReturnType<typeof createLargeRunTasks>;
  readonly idByKey: ReadonlyMap<string, string>;
  readonly commits: Awaited<ReturnType<typeof readLanded>>;
}

/** Every commit: one parent, exactly its task's changes, trailers, people, and its attempt's ref. */
async function checkCommits({ repository, tasks, idByKey, commits }: Landed): Promise<void> {
  const refs = await userGit(repository, "for-each-ref", "--format=%(refname)", "refs/canopy/attempts/");
  const attemptIds: string[] = [];
  for (const task of tasks) {
    const commit = commits.find((each) => each.trailers["Task"]?.[0] === idByKey.get(task.key))!;
    expect(await readChangedPaths(repository, commit.commit)).toEqual(task.changed);
    const { Session: session = [], Attempt: attempt = [], ...trailers } = commit.trailers;
    expect(trailers).toEqual({
      Task: [idByKey.get(task.key)],
      Agent: ["command"],
      "Co-authored-by": [expect.stringMatching(/^.+ <.+@agents\.canopy\.invalid>$/)],
    });
    expect(session).toEqual([expect.stringMatching(/^ses_/)]);
    attemptIds.push(attempt.join());
    expect(commit.parents).toHaveLength(1);
    expect([commit.author, commit.committer]).toEqual(Array(2).fill("Ada Lovelace <ada@example.test>"));
    expect(commit.subject).toBe(task.title);
  }
  expect(refs.split("\n").sort()).toEqual(attemptIds.map((id) => `refs/canopy/attempts/${id}`).sort());
}

async function checkContents(repository: string, count: number): Promise<void> {
  const show = (path: string): Promise<string> => userGit(repository, "show", `canopy/main:${path}`);
  for (let chain = 0; chain < 8; chain += 1) {
    const keys = Array.from(
      { length: count / 8 },
      (_, layer) => `t${String(chain + 8 * layer).padStart(2, "0")}`,
    );
    expect(await show(chainFile(chain))).toBe(keys.join("\n"));
  }
  const entries = await userGit(repository, "ls-tree", "-r", "canopy/main", "packages/p025", "packages/p030");
  const modes = new Map(entries.split("\n").map((line) => [line.split("\t")[1], line.slice(0, 6)]));
  expect(modes.get("packages/p025/link")).toBe("120000");
  expect(modes.get("packages/p025/f005.txt")).toBe("120000");
  expect(modes.get("packages/p030/f006.txt")).toBe("100755");
  expect(await show("packages/p025/dangling")).toBe("/nowhere/at/all");
  expect(await userGit(repository, "cat-file", "-s", "canopy/main:packages/p035/blob.bin")).toBe("65540");
  expect(await show("packages/p045")).toBe("flat");
}
