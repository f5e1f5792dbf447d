import { execFileSync } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveAgent } from "@canopy/agents";
import { CHECKPOINT_REF_PREFIX, openMergeEngine, openRepository, readRepositoryIdentity } from "@canopy/git";
import type { Repository } from "@canopy/git";
import { attemptJobSchema } from "@canopy/protocol";
import type { ForkJob } from "@canopy/protocol";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { AttemptOrigin } from "./plan-origin.ts";
import { planOrigin } from "./plan-origin.ts";

let folder = "";
let repository: Repository;
let commit = "";

function git(...args: string[]): void {
  const identity = ["-c", "user.name=T", "-c", "user.email=t@example.test"];
  execFileSync("git", [...identity, ...args], { cwd: folder });
}

beforeEach(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "canopy-origin-")));
  git("init", "-q", "-b", "main");
  writeFileSync(join(folder, "a"), "a\n");
  git("add", ".");
  git("commit", "-qm", "base");
  const identity = await readRepositoryIdentity(folder);
  commit = identity.headCommit;
  repository = openRepository(identity);
});

afterEach(async () => {
  await repository[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function plan(agent: string, fork: Partial<ForkJob>, continued?: object): Promise<AttemptOrigin> {
  const job = attemptJobSchema.parse({
    kind: "attempt",
    attemptId: "att_two",
    attemptNumber: 1,
    runId: "run_one",
    taskId: "tsk_two",
    sessionId: "ses_two",
    title: "Fork",
    description: "",
    labels: [],
    prompt: "do it otherwise",
    agent,
    model: null,
    timeoutMs: 1000,
    integrationRef: "refs/heads/canopy/main",
    baseBranch: "main",
    checkout: null,
    askedBy: "ada",
    ladder: null,
    continues: continued ?? null,
    forkOf: {
      sessionId: "ses_one",
      throughTurnId: "trn_one",
      isWhole: false,
      work: null,
      atWork: null,
      ...fork,
    },
  });
  const context = { repository, engine: openMergeEngine(repository) };
  return await planOrigin(context, job, resolveAgent(agent, {}, folder));
}

const BRANCH = { plan: null, start: null, parent: null, prompt: "do it otherwise" };
const WORK = { baseCommit: "b".repeat(40), commit: "c".repeat(40) };

test("a fork begins with the work of the original, and with the branch where there is none", async () => {
  expect(await plan("claude", { work: WORK })).toEqual({
    ...BRANCH,
    start: WORK.commit,
    parent: WORK.baseCommit,
  });
  expect(await plan("claude", {})).toEqual(BRANCH);
  expect(await plan("command:true", { work: WORK })).toEqual(BRANCH);
});

test("of a session at work it takes the last checkpoint, on what that session had begun with", async () => {
  const atWork = { attemptId: "att_one", baseCommit: WORK.baseCommit } as ForkJob["atWork"];
  expect(await plan("claude", { atWork })).toEqual(BRANCH);
  git("update-ref", `${CHECKPOINT_REF_PREFIX}att_one`, commit);
  expect(await plan("claude", { atWork })).toEqual({ ...BRANCH, start: commit, parent: WORK.baseCommit });
});

test("what a fork has done itself goes before what it began with", async () => {
  const own = { baseCommit: "d".repeat(40), commit: "e".repeat(40) };
  const continued = { attemptId: "att_before", work: own, prompt: "go on" };
  expect(await plan("claude", { work: WORK }, continued)).toEqual({
    plan: null,
    start: own.commit,
    parent: own.baseCommit,
    prompt: "go on",
  });
});
