import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BASE_REF_PREFIX, listRefs, openRepository, readRepositoryIdentity } from "@canopy/git";
import type { Repository } from "@canopy/git";
import { BaseKeeper } from "./base-keeper.ts";

let folder = "";
let repository: Repository;
let commit = "";

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "canopy-bases-"));
  const git = (...args: string[]): void => {
    execFileSync("git", ["-c", "user.name=T", "-c", "user.email=t@example.org", ...args], { cwd: folder });
  };
  git("init", "-q", "-b", "main");
  writeFileSync(join(folder, "a"), "a");
  git("add", ".");
  git("commit", "-qm", "a");
  const identity = await readRepositoryIdentity(folder);
  commit = identity.headCommit;
  repository = openRepository(identity);
});

afterEach(async () => {
  await repository[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function keptRefs(): Promise<string[]> {
  return (await listRefs(repository, BASE_REF_PREFIX)).map(({ ref }) => ref);
}

test("a base is kept until its last user lets go", async () => {
  const keeper = new BaseKeeper(repository);
  const first = await keeper.keep(commit);
  const second = await keeper.keep(commit);
  await first();
  expect(await keptRefs()).toEqual([`${BASE_REF_PREFIX}${commit}`]);
  await second();
  expect(await keptRefs()).toEqual([]);
});

test("what an earlier process kept is forgotten, what is in use is not", async () => {
  await new BaseKeeper(repository).keep(commit);
  const keeper = new BaseKeeper(repository);
  await keeper.clear();
  expect(await keptRefs()).toEqual([]);
  await keeper.keep(commit);
  await keeper.clear();
  expect(await keptRefs()).toEqual([`${BASE_REF_PREFIX}${commit}`]);
});
