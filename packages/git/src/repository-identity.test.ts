import { mkdir, mkdtemp, realpath, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readRepositoryIdentity, requireBranch, requireWritable } from "./repository-identity.ts";
import { createTemporaryRepository, runUserGit } from "./temporary-repository.ts";

test("answers the same identity from the root, a subfolder, a file and a symbolic link", async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.write({ "deep/er/file.txt": "x" });
  const commit = await fixture.commitAll("first");
  await symlink(fixture.workTree, join(fixture.root, "link"));
  const identity = await readRepositoryIdentity(fixture.workTree);
  expect(identity).toEqual({
    projectId: identity.projectId,
    commonDir: join(fixture.workTree, ".git"),
    gitDir: join(fixture.workTree, ".git"),
    worktreeRoot: fixture.workTree,
    headBranch: "main",
    headCommit: commit,
    objectFormat: "sha1",
  });
  expect(identity.projectId).toMatch(/^prj_[0-9a-z]{13}$/);
  for (const path of [
    "work/deep/er",
    "work/deep/er/file.txt",
    "link/deep",
    "work/.git",
    "work/.git/objects",
  ]) {
    expect(await readRepositoryIdentity(join(fixture.root, path))).toEqual(identity);
  }
});

test("linked worktrees are one project, each with its own HEAD", async () => {
  await using fixture = await createTemporaryRepository();
  const commit = await fixture.commitAll("first");
  const linked = join(fixture.root, "linked tree");
  await fixture.git(["worktree", "add", "-q", "-b", "topic", linked]);
  const main = await readRepositoryIdentity(fixture.workTree);
  expect(await readRepositoryIdentity(linked)).toEqual({
    ...main,
    gitDir: join(fixture.workTree, ".git/worktrees/linked-tree"),
    worktreeRoot: linked,
    headBranch: "topic",
    headCommit: commit,
  });
});

test("a submodule is a project of its own", async () => {
  await using inner = await createTemporaryRepository();
  await inner.write({ a: "1" });
  await inner.commitAll("inner");
  await using outer = await createTemporaryRepository();
  await outer.git(["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", inner.workTree, "sub"]);
  await outer.commitAll("outer");
  const outerIdentity = await readRepositoryIdentity(outer.workTree);
  const subIdentity = await readRepositoryIdentity(join(outer.workTree, "sub"));
  expect(subIdentity.worktreeRoot).toBe(join(outer.workTree, "sub"));
  expect(subIdentity.projectId).not.toBe(outerIdentity.projectId);
});

test("a sha256 repository says so", async () => {
  await using fixture = await createTemporaryRepository("sha256");
  await fixture.commitAll("first");
  const identity = await readRepositoryIdentity(fixture.workTree);
  expect(identity.objectFormat).toBe("sha256");
  expect(identity.headCommit).toHaveLength(64);
});

test("a detached HEAD is answered, and refused by requireBranch", async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.commitAll("first");
  await fixture.git(["checkout", "-q", "--detach"]);
  const identity = await readRepositoryIdentity(fixture.workTree);
  expect(identity.headBranch).toBe(null);
  expect(() => requireBranch(identity)).toThrow(
    expect.objectContaining({ code: "repository.detached-head" }),
  );
});

test("wrong folders are refused with their codes", async () => {
  const root = await realpath(await mkdtemp(join(tmpdir(), "canopy-test-")));
  try {
    await mkdir(join(root, "plain"));
    await runUserGit(root, ["init", "-q", "--bare", "bare.git"]);
    await runUserGit(root, ["init", "-q", "empty"]);
    const codes: Record<string, string> = {
      plain: "repository.not-found",
      missing: "repository.not-found",
      "bare.git": "repository.bare",
      "bare.git/objects": "repository.bare",
      empty: "repository.empty",
    };
    for (const [path, code] of Object.entries(codes)) {
      await expect(readRepositoryIdentity(join(root, path)), path).rejects.toMatchObject({ code });
    }
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});

test("a missing git is told apart from a missing repository", async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.commitAll("first");
  const path = process.env["PATH"];
  process.env["PATH"] = "/nonexistent";
  try {
    await expect(readRepositoryIdentity(fixture.workTree)).rejects.toMatchObject({ code: "git.missing" });
  } finally {
    process.env["PATH"] = path;
  }
});

test("a writable repository passes requireWritable, and /proc, which nobody can write, does not", async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.commitAll("first");
  const identity = await readRepositoryIdentity(fixture.workTree);
  await requireWritable(identity);
  await expect(requireWritable({ ...identity, commonDir: "/sys/kernel" })).rejects.toMatchObject({
    code: "repository.read-only",
  });
});
