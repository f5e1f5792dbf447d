import { readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { deliverFastForward, planDelivery } from "./plan-delivery.ts";
import type { DeliveryBlocker } from "./plan-delivery.ts";
import { readRepositoryIdentity } from "./repository-identity.ts";
import { snapshotCheckout } from "./snapshot-checkout.ts";
import { createTemporaryRepository } from "./temporary-repository.ts";
import type { TemporaryRepository } from "./temporary-repository.ts";

const REQUEST = { integrationRef: "refs/heads/canopy/main", branch: "main" };

interface Landed {
  readonly from: string;
  readonly to: string;
}

/** A repository on main whose integration branch is one commit ahead: `a` changed, `new/file` added, `gone` deleted. */
async function land(fixture: TemporaryRepository): Promise<Landed> {
  await fixture.write({ a: "1\n", b: "1\n", gone: "g\n", ".gitignore": "*.o\n" });
  const from = await fixture.commitAll("base");
  await fixture.git(["checkout", "-q", "-b", "canopy/main"]);
  await fixture.write({ a: "2\n", "new/file": "n\n", "built.o": "o\n" });
  await rm(join(fixture.workTree, "gone"));
  await fixture.git(["add", "-A", "-f"]);
  const to = await fixture.commitAll("landed");
  await fixture.git(["checkout", "-q", "main"]);
  return { from, to };
}

async function blockersOf(fixture: TemporaryRepository): Promise<readonly DeliveryBlocker[]> {
  const identity = await readRepositoryIdentity(fixture.workTree);
  const before = await snapshotCheckout(identity);
  const plan = await planDelivery(fixture.repository, REQUEST);
  if (plan.state !== "blocked") return [];
  await expect(deliverFastForward(fixture.repository, REQUEST)).rejects.toMatchObject({
    code: "deliver.blocked",
  });
  expect(await snapshotCheckout(identity)).toEqual(before);
  return plan.blockers;
}

test("a clean checkout is fast-forwarded, with unrelated edits kept as they are", async () => {
  await using fixture = await createTemporaryRepository();
  const { from, to } = await land(fixture);
  await fixture.write({ b: "edited\n", untracked: "u\n", staged: "s\n" });
  await fixture.git(["add", "staged"]);
  const plan = { state: "ready", from, to, worktree: fixture.workTree };
  expect(await planDelivery(fixture.repository, REQUEST)).toEqual(plan);
  expect(await deliverFastForward(fixture.repository, REQUEST)).toEqual(plan);
  expect(await fixture.git(["rev-parse", "main", "HEAD"])).toBe(`${to}\n${to}`);
  expect(await fixture.git(["status", "--porcelain"])).toBe(" M b\nA  staged\n?? untracked");
  expect(await readFile(join(fixture.workTree, "new/file"), "utf8")).toBe("n\n");
  expect(await fixture.git(["reflog", "-1", "--format=%gs", "main"])).toContain("Fast-forward");
  expect(await deliverFastForward(fixture.repository, REQUEST)).toEqual({ state: "up-to-date", commit: to });
});

test("a branch that is checked out nowhere is moved, and one in a linked worktree is moved there", async () => {
  await using fixture = await createTemporaryRepository();
  const { from, to } = await land(fixture);
  await fixture.git(["checkout", "-q", "-b", "elsewhere"]);
  expect(await deliverFastForward(fixture.repository, REQUEST)).toEqual({
    state: "ready",
    from,
    to,
    worktree: null,
  });
  expect(await fixture.git(["rev-parse", "main"])).toBe(to);
  await fixture.git(["branch", "-q", "-f", "main", from]);
  const linked = join(fixture.root, "linked");
  await fixture.git(["worktree", "add", "-q", linked, "main"]);
  expect(await deliverFastForward(fixture.repository, REQUEST)).toMatchObject({ worktree: linked });
  expect(await fixture.git(["status", "--porcelain"], linked)).toBe("");
});

test("hooks of the repository do not run", async () => {
  await using fixture = await createTemporaryRepository();
  await land(fixture);
  const hook = join(fixture.workTree, ".git/hooks/post-merge");
  await writeFile(hook, `#!/bin/sh\ntouch ${fixture.root}/hook-ran\n`, { mode: 0o755 });
  await deliverFastForward(fixture.repository, REQUEST);
  await expect(readFile(join(fixture.root, "hook-ran"))).rejects.toMatchObject({ code: "ENOENT" });
});

test("files that would be overwritten are named: edited, staged, deleted, untracked and ignored ones", async () => {
  await using fixture = await createTemporaryRepository();
  await land(fixture);
  const worktree = fixture.workTree;
  await fixture.write({ a: "mine\n", gone: "mine\n", b: "unrelated\n" });
  await fixture.git(["add", "gone"]);
  await fixture.write({ new: "a file where a folder must be\n", "built.o": "mine\n" });
  expect(await blockersOf(fixture)).toEqual([
    { kind: "dirty-files", worktree, paths: ["a", "gone"] },
    { kind: "untracked-files", worktree, paths: ["built.o", "new"] },
  ]);
});

test("a folder that becomes a file or a link is no obstacle, but what lies in it untracked is", async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.write({ "flat/a": "1\n", "flat/deep/b": "1\n", "link/c": "1\n", ".gitignore": "*.o\n" });
  await symlink("flat", join(fixture.workTree, "was-link"));
  await fixture.commitAll("base");
  await fixture.git(["checkout", "-q", "-b", "canopy/main"]);
  for (const path of ["flat", "link", "was-link"])
    await rm(join(fixture.workTree, path), { recursive: true });
  await fixture.write({ flat: "now a file\n", "was-link/a": "now a folder\n" });
  await symlink("flat", join(fixture.workTree, "link"));
  const to = await fixture.commitAll("landed");
  await fixture.git(["checkout", "-q", "main"]);
  await fixture.write({ "flat/deep/mine": "untracked\n", "flat/mine.o": "ignored\n", "link/staged": "s\n" });
  await fixture.git(["add", "link/staged"]);
  const worktree = fixture.workTree;
  expect(await blockersOf(fixture)).toEqual([
    { kind: "untracked-files", worktree, paths: ["flat/deep/mine", "flat/mine.o", "link/staged"] },
  ]);
  await fixture.git(["rm", "-q", "-f", "link/staged"]);
  for (const path of ["flat/deep/mine", "flat/mine.o"]) await rm(join(worktree, path));
  await deliverFastForward(fixture.repository, REQUEST);
  expect(await fixture.git(["rev-parse", "main"])).toBe(to);
  expect(await fixture.git(["status", "--porcelain"])).toBe("");
});

test("a branch that went on is not a fast-forward, and says by how much", async () => {
  await using fixture = await createTemporaryRepository();
  await land(fixture);
  await fixture.write({ c: "1\n" });
  await fixture.commitAll("mine");
  expect(await blockersOf(fixture)).toEqual([{ kind: "not-fast-forward", aheadCount: 1, behindCount: 1 }]);
});

test("an ongoing rebase, merge, cherry-pick, bisect or lock is named", async () => {
  await using fixture = await createTemporaryRepository();
  const { from } = await land(fixture);
  const worktree = fixture.workTree;
  const fails = (args: string[]): Promise<unknown> => expect(fixture.git(args)).rejects.toThrow();
  await fixture.git(["checkout", "-q", "-b", "side", from]);
  await fixture.write({ b: "side\n" });
  const side = await fixture.commitAll("side");
  await fixture.git(["checkout", "-q", "main"]);
  const operation = (name: string): unknown =>
    expect.objectContaining({ kind: "operation", worktree, operation: name });
  await fixture.git(["merge", "-q", "--no-commit", "--no-ff", side]);
  expect(await blockersOf(fixture)).toContainEqual(operation("merge"));
  await fixture.git(["merge", "--abort"]);
  await fixture.git(["bisect", "start"]);
  expect(await blockersOf(fixture)).toContainEqual(operation("bisect"));
  await fixture.git(["bisect", "reset"]);
  await fixture.write({ b: "main\n" });
  await fixture.commitAll("main");
  await fails(["cherry-pick", side]);
  expect(await blockersOf(fixture)).toContainEqual(operation("cherry-pick"));
  await fixture.git(["cherry-pick", "--abort"]);
  await fails(["rebase", "-q", side]);
  expect(await blockersOf(fixture)).toContainEqual(operation("rebase"));
  await fixture.git(["rebase", "--abort"]);
  await fixture.git(["reset", "-q", "--hard", from]);
  const lock = join(worktree, ".git/index.lock");
  await writeFile(lock, "");
  expect(await blockersOf(fixture)).toEqual([{ kind: "index-locked", worktree, path: lock }]);
});

test("a missing branch and a missing integration branch are told apart", async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.commitAll("base");
  await expect(planDelivery(fixture.repository, REQUEST)).rejects.toMatchObject({ code: "git.failed" });
  await fixture.git(["branch", "canopy/main"]);
  expect(await planDelivery(fixture.repository, { ...REQUEST, branch: "nope" })).toEqual({
    state: "blocked",
    blockers: [{ kind: "branch-missing", branch: "nope" }],
  });
});
