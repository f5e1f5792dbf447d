import { execFileSync } from "node:child_process";
import { readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CanopyError } from "@canopy/protocol";
import { expect, test } from "vitest";
import {
  advanceCheckout,
  countMissingBytes,
  explainFullDisk,
  materializeCommit,
  primeCheckout,
} from "./materialize-commit.ts";
import { readRepositoryIdentity } from "./repository-identity.ts";
import { createGitEnvironment } from "./run-git.ts";
import { snapshotCheckout } from "./snapshot-checkout.ts";
import { createTemporaryRepository } from "./temporary-repository.ts";
import type { TemporaryRepository } from "./temporary-repository.ts";

const FILES = { "a.txt": "a\n", "d/b.txt": "b\n", "d/run.sh": "#!/bin/sh\n", "space and ü\nline": "x\n" };

async function prepare(fixture: TemporaryRepository): Promise<string> {
  await fixture.write(FILES);
  await fixture.git(["add", "-A"]);
  await fixture.git(["update-index", "--chmod=+x", "d/run.sh"]);
  await fixture.git(["commit", "-q", "-m", "first"]);
  await fixture.git(["tag", "v1"]);
  return await fixture.git(["rev-parse", "HEAD"]);
}

test.each(["sha1", "sha256"] as const)(
  "a private checkout is clean, complete and separate (%s)",
  async (format) => {
    await using fixture = await createTemporaryRepository(format);
    const commit = await prepare(fixture);
    const identity = await readRepositoryIdentity(fixture.workTree);
    const before = await snapshotCheckout(identity);
    const directory = join(fixture.root, "checkout");
    await materializeCommit(fixture.repository, { commit, directory, branch: "main" });
    expect(await fixture.git(["status", "--porcelain"], directory)).toBe("");
    expect(await fixture.git(["log", "--format=%H %s %D"], directory)).toBe(
      `${commit} first HEAD -> main, tag: v1`,
    );
    expect(await fixture.git(["ls-files", "-s"], directory)).toContain("100755");
    expect(await fixture.git(["remote"], directory)).toBe("");
    await writeFile(join(directory, "a.txt"), "changed\n");
    await fixture.git(["commit", "-q", "-a", "-m", "inside"], directory);
    const inside = await fixture.git(["rev-parse", "HEAD"], directory);
    expect(await fixture.repository.readObject(inside)).toBe(null);
    expect(await snapshotCheckout(identity)).toEqual(before);
  },
);

test("a branch with slashes works and an unsafe one is refused", async () => {
  await using fixture = await createTemporaryRepository();
  const commit = await prepare(fixture);
  const directory = join(fixture.root, "checkout");
  await materializeCommit(fixture.repository, { commit, directory, branch: "feature/x" });
  expect(await fixture.git(["symbolic-ref", "HEAD"], directory)).toBe("refs/heads/feature/x");
  const options = { commit, directory: join(fixture.root, "other") };
  for (const branch of ["../../evil", "", "a..b", "a b", "x.lock"]) {
    await expect(materializeCommit(fixture.repository, { ...options, branch }), branch).rejects.toMatchObject(
      {
        code: "git.failed",
      },
    );
  }
});

test("a folder with something in it is refused and left alone", async () => {
  await using fixture = await createTemporaryRepository();
  const commit = await prepare(fixture);
  await expect(
    materializeCommit(fixture.repository, { commit, directory: fixture.workTree, branch: "main" }),
  ).rejects.toMatchObject({ code: "workspace.failed" });
});

test("the person's end-of-line settings, filters and ignore rules hold in the checkout", async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.write({
    ".gitattributes": "*.up filter=upper\n*.crlf text eol=crlf\n",
    "x.up": "shout\n",
    "y.crlf": "1\n",
  });
  await fixture.git(["config", "filter.upper.smudge", "tr a-z A-Z"]);
  await fixture.git(["config", "filter.upper.clean", "tr A-Z a-z"]);
  await fixture.write({ ".git/info/exclude": "secret\n" });
  const commit = await fixture.commitAll("first");
  const directory = join(fixture.root, "checkout");
  await materializeCommit(fixture.repository, { commit, directory, branch: "main" });
  expect(await readFile(join(directory, "x.up"), "utf8")).toBe("SHOUT\n");
  expect(await readFile(join(directory, "y.crlf"), "utf8")).toBe("1\r\n");
  await writeFile(join(directory, "secret"), "s");
  expect(await fixture.git(["status", "--porcelain"], directory)).toBe("");
});

test("advancing gives the checkout that the newer commit would have given", async () => {
  await using fixture = await createTemporaryRepository();
  const from = await prepare(fixture);
  await fixture.git(["rm", "-q", "-r", "-f", "d"]);
  await fixture.write({ d: "a file now\n", "new/file": "n\n", "a.txt": "later\n" });
  const to = await fixture.commitAll("second");
  const directory = join(fixture.root, "checkout");
  await materializeCommit(fixture.repository, { commit: from, directory, branch: "main" });
  for (const [program, ...args] of advanceCheckout({ from, to, branch: "main" })) {
    execFileSync(program, args, { cwd: directory, env: createGitEnvironment() });
  }
  expect(await fixture.git(["status", "--porcelain"], directory)).toBe("");
  expect(await fixture.git(["rev-parse", "HEAD"], directory)).toBe(to);
  expect((await readdir(directory)).sort()).toEqual([".git", "a.txt", "d", "new", "space and ü\nline"]);
  expect(await readFile(join(directory, "d"), "utf8")).toBe("a file now\n");
});

test("priming leaves a clean checkout with a cache of untracked files", async () => {
  await using fixture = await createTemporaryRepository();
  const commit = await prepare(fixture);
  const directory = join(fixture.root, "checkout");
  await materializeCommit(fixture.repository, { commit, directory, branch: "main" });
  const [program, ...args] = primeCheckout();
  execFileSync(program, args, { cwd: directory, env: createGitEnvironment() });
  expect((await readFile(join(directory, ".git/index"))).includes("UNTR")).toBe(true);
});

test("a file that does not fit is a full disk, also when git has removed what it had written of it", async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.write({ "large.bin": new Uint8Array(3_000_000).fill(7), "small.txt": "s\n" });
  const commit = await fixture.commitAll("large");
  const failure = new CanopyError("git.failed", "git read-tree ended with 128");
  const directory = join(fixture.root, "out");
  await materializeCommit(fixture.repository, { commit, directory, branch: "main" });
  const missing = await countMissingBytes(fixture.repository, commit, directory);
  expect(missing).toBe(0);
  await rm(join(directory, "large.bin"));
  expect(await countMissingBytes(fixture.repository, commit, directory)).toBe(3_000_000);
  expect(await explainFullDisk(failure, directory, () => Promise.resolve(3_000_000))).toBe(failure);
  expect(
    await explainFullDisk(failure, directory, () => Promise.resolve(Number.MAX_SAFE_INTEGER)),
  ).toMatchObject({ code: "disk.full" });
});
