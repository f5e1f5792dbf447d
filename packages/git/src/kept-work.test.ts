import { execFileSync } from "node:child_process";
import { chmod, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { editTree } from "./edit-tree.ts";
import { expireRefs } from "./expire-refs.ts";
import { exportPatch } from "./export-patch.ts";
import { keepFailed, listFailed } from "./keep-failed.ts";
import { openMergeEngine } from "./merge-engine.ts";
import { ATTEMPT_REF_PREFIX, FAILED_REF_PREFIX, listRefs, updateRefs } from "./refs.ts";
import type { RefUpdate } from "./refs.ts";
import { createTemporaryRepository } from "./temporary-repository.ts";
import { writeCommit } from "./write-commit.ts";

const HOUR = 3_600_000;
const NOW = 1_700_000_000_000;
const ADA = { name: "Ada Lövelace", email: "ada@example.test", atMs: NOW };

test("failed candidates are numbered, the same commit is kept once, and two at once both stay", async () => {
  await using fixture = await createTemporaryRepository();
  const { repository } = fixture;
  const commits = [];
  for (let number = 0; number < 11; number += 1) commits.push(await fixture.commitAll(`c${number}`));
  for (const commit of commits.slice(0, 9)) await keepFailed(repository, { changeId: "chg_1", commit });
  const again = await keepFailed(repository, { changeId: "chg_1", commit: commits[2]! });
  expect(again).toEqual({ ref: "refs/canopy/failed/chg_1/3", commit: commits[2] });
  await Promise.all(commits.slice(9).map((commit) => keepFailed(repository, { changeId: "chg_1", commit })));
  const kept = await listFailed(repository, "chg_1");
  expect(kept.map(({ ref }) => ref)).toEqual(
    commits.map((_commit, index) => `refs/canopy/failed/chg_1/${index + 1}`),
  );
  expect(kept.map(({ commit }) => commit).sort()).toEqual(commits.sort());
  await expect(keepFailed(repository, { changeId: "../x", commit: commits[0]! })).rejects.toMatchObject({
    code: "git.failed",
  });
});

test("a patch can be applied, binary files, renames and modes included, and mailed with its author", async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.git(["config", "diff.noprefix", "true"]);
  await fixture.git(["config", "diff.external", "false"]);
  await fixture.write({ text: "a\n".repeat(20), bin: Buffer.from([0, 1, 2, 255]), gone: "x\n", run: "r\n" });
  const base = await fixture.commitAll("base");
  await fixture.write({ "naïve name": "no newline", bin: Buffer.from([0, 255, 254, 10, 13]) });
  await rename(join(fixture.workTree, "text"), join(fixture.workTree, "renamed"));
  await rm(join(fixture.workTree, "gone"));
  await chmod(join(fixture.workTree, "run"), 0o755);
  await fixture.git(["add", "-A"]);
  const tree = await fixture.git(["write-tree"]);
  const message = "Ünicode subject\n\nBody\n--- a/evil\ndiff --git a/evil b/evil\nend";
  const commit = await writeCommit(fixture.repository, {
    tree,
    parents: [base],
    author: ADA,
    committer: ADA,
    message,
  });
  const patch = await exportPatch(fixture.repository, { base, commit });
  const file = join(fixture.root, "work.patch");
  await writeFile(file, patch);
  await fixture.git(["reset", "-q", "--hard", base]);
  await fixture.git(["apply", "--index", file]);
  expect(await fixture.git(["write-tree"])).toBe(tree);
  await fixture.git(["reset", "-q", "--hard", base]);
  await fixture.git(["am", "-q", file]);
  expect(await fixture.git(["log", "-1", "--format=%an <%ae> %at%n%B%T"])).toBe(
    `Ada Lövelace <ada@example.test> ${NOW / 1000}\nÜnicode subject\n\nBody\n --- a/evil\n diff --git a/evil b/evil\nend\n${tree}`,
  );
});

test("old refs expire by prefix and age, protected and moved ones stay, a dry run removes nothing", async () => {
  await using fixture = await createTemporaryRepository();
  const { repository } = fixture;
  const tree = await repository.writeObject("tree", Buffer.alloc(0));
  const commitAt = (hours: number): Promise<string> => {
    const who = { ...ADA, atMs: NOW - hours * HOUR };
    return writeCommit(repository, { tree, parents: [], author: ADA, committer: who, message: "c" });
  };
  const [old, young] = [await commitAt(10), await commitAt(1)];
  const refs = {
    "refs/canopy/attempts/a": old,
    "refs/canopy/attempts/b": young,
    "refs/canopy/attempts/c": old,
    "refs/canopy/attempts/moves": old,
    "refs/canopy/failed/chg/1": old,
    "refs/canopy/failed/special/1": old,
    "refs/heads/main": old,
  };
  await updateRefs(
    repository,
    Object.entries(refs).map(([ref, newCommit]) => ({ ref, newCommit })),
  );
  const request = {
    nowMs: NOW,
    rules: [
      { prefix: "refs/canopy/attempts/", maxAgeMs: 5 * HOUR },
      { prefix: "refs/canopy/failed/", maxAgeMs: 5 * HOUR },
      { prefix: "refs/canopy/failed/special/", maxAgeMs: 50 * HOUR },
    ],
    isProtected(ref: string): boolean {
      // Newer work arrives between the look and the removal.
      const isRacing = ref.endsWith("/moves") && !request.dryRun;
      if (isRacing) execFileSync("git", ["update-ref", ref, young], { cwd: fixture.workTree });
      return ref.endsWith("/c") || (ref.endsWith("/moves") && request.dryRun);
    },
    dryRun: true,
  };
  const expected = ["refs/canopy/attempts/a", "refs/canopy/failed/chg/1"].map((ref) => ({
    ref,
    commit: old,
    ageMs: 10 * HOUR,
  }));
  expect(await expireRefs(repository, request)).toEqual(expected);
  expect(await listRefs(repository, "refs/")).toHaveLength(7);
  request.dryRun = false;
  expect(await expireRefs(repository, request)).toEqual(expected);
  expect((await listRefs(repository, "refs/")).map(({ ref }) => ref)).toEqual(
    Object.keys(refs).filter((ref) => !expected.some((item) => item.ref === ref)),
  );
});

test(
  "after 1,000 changes git finds nothing wrong, and gc loses nothing that a ref holds",
  { timeout: 240_000 },
  async () => {
    await using fixture = await createTemporaryRepository();
    const { repository } = fixture;
    const paths = Array.from({ length: 100 }, (_value, index) => `src/d${index % 10}/f${index}`);
    await fixture.write(Object.fromEntries(paths.map((path) => [path, `${path}\n`])));
    const base = await fixture.commitAll("base");
    const baseTree = (await repository.readCommit(base)).tree;
    const engine = openMergeEngine(repository);
    const updates: RefUpdate[] = [];
    let tip = base;
    for (let number = 0; number < 1000; number += 1) {
      const objectId = await repository.writeObject("blob", Buffer.from(`change ${number}\n`));
      const edit = { path: paths[number % 100] ?? "x", entry: { mode: "100644", objectId } };
      const committer = { ...ADA, atMs: NOW + number * 1000 };
      const said = { author: ADA, committer, message: `Change ${number}` };
      // Every tenth starts at the base again and meets what landed there: a failure to keep.
      const isStale = number % 10 === 0 && number >= 100;
      const from = isStale ? base : tip;
      const tree = await editTree(repository, isStale ? baseTree : (await repository.readCommit(tip)).tree, [
        edit,
      ]);
      const change = await writeCommit(repository, { ...said, tree, parents: [from] });
      updates.push({ ref: `${ATTEMPT_REF_PREFIX}att_${number}`, newCommit: change });
      const [result] = (await engine.buildStack(tip, [{ ...said, change }])).results;
      if (result?.state === "clean") tip = result.commit;
      if (result?.state === "conflicted") {
        const failed = await writeCommit(repository, { ...said, tree: result.tree, parents: [tip] });
        updates.push({ ref: `${FAILED_REF_PREFIX}chg_${number}/1`, newCommit: failed });
      }
    }
    updates.push({ ref: "refs/heads/canopy/main", newCommit: tip });
    await updateRefs(repository, updates);
    expect(updates).toHaveLength(1000 + 90 + 1);
    const fsck = (): Promise<string> => fixture.git(["fsck", "--full", "--strict", "--no-dangling"]);
    const held = (): Promise<string> => fixture.git(["rev-list", "--objects", "--all", "--no-object-names"]);
    expect(await fsck()).toBe("");
    const before = (await held()).split("\n").sort();
    await fixture.git(["gc", "-q", "--prune=now"]);
    expect(await fsck()).toBe("");
    expect((await held()).split("\n").sort()).toEqual(before);
    const expired = await expireRefs(repository, {
      nowMs: NOW + 1000 * 1000,
      rules: [ATTEMPT_REF_PREFIX, FAILED_REF_PREFIX].map((prefix) => ({ prefix, maxAgeMs: 500_000 })),
      isProtected: () => false,
      dryRun: false,
    });
    // Those made in the first half (500 attempts, 40 failures) are older.
    expect(expired).toHaveLength(540);
    await fixture.git(["gc", "-q", "--prune=now"]);
    expect(await fsck()).toBe("");
    expect(await fixture.git(["rev-list", "--count", "canopy/main"])).toBe("911");
  },
);
