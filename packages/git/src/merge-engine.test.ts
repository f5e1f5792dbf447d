import { chmod, mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { findChangeBase } from "./find-merge-base.ts";
import { openMergeEngine } from "./merge-engine.ts";
import { mergeTrees } from "./merge-trees.ts";
import { readRef } from "./refs.ts";
import { syncBase } from "./sync-base.ts";
import { createTemporaryRepository } from "./temporary-repository.ts";
import type { TemporaryRepository } from "./temporary-repository.ts";

const ADA = { name: "Ada", email: "ada@example.test", atMs: 1_700_000_000_000 };
const TEXT = Array.from({ length: 12 }, (_value, index) => `line ${index}\n`).join("");

/** Commits what a script does to the base, on no branch. */
async function commitFrom(
  fixture: TemporaryRepository,
  base: string,
  edit: () => Promise<unknown>,
): Promise<string> {
  await fixture.git(["checkout", "-q", "--detach", "-f", base]);
  await fixture.git(["clean", "-q", "-ffdx"]);
  await edit();
  return await fixture.commitAll("change");
}

test.each(["sha1", "sha256"] as const)("disjoint changes stack up, one commit each (%s)", async (format) => {
  await using fixture = await createTemporaryRepository(format);
  await fixture.write({ "a/1": "1", "b/2": "2", top: "t" });
  const base = await fixture.commitAll("base");
  const changes: string[] = [];
  for (const name of ["a/3", "b/2", "c/d/e"]) {
    changes.push(await commitFrom(fixture, base, () => fixture.write({ [name]: `new ${name}` })));
  }
  const engine = openMergeEngine(fixture.repository);
  const stack = await engine.buildStack(
    base,
    [...changes, changes[0]!].map((change, index) => ({
      change,
      author: ADA,
      committer: ADA,
      message: `Land ${index}`,
    })),
  );
  expect(stack.results.map((result) => result.state)).toEqual(["clean", "clean", "clean", "empty"]);
  expect(await fixture.git(["log", "--reverse", "--format=%s", stack.tip])).toBe(
    "base\nLand 0\nLand 1\nLand 2",
  );
  expect((await fixture.git(["ls-tree", "-r", "--name-only", stack.tip])).split("\n")).toEqual([
    "a/1",
    "a/3",
    "b/2",
    "c/d/e",
    "top",
  ]);
  expect(await fixture.git(["fsck", "--strict", "--no-dangling"])).toBe("");
});

test("changes of the same file that do not touch are merged by content", async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.write({ "file.txt": TEXT });
  const base = await fixture.commitAll("base");
  const first = await commitFrom(fixture, base, () =>
    fixture.write({ "file.txt": TEXT.replace("line 1\n", "one\n") }),
  );
  const second = await commitFrom(fixture, base, () =>
    fixture.write({ "file.txt": TEXT.replace("line 9\n", "nine\n") }),
  );
  const result = await openMergeEngine(fixture.repository).mergeCommit({ tip: first, change: second });
  expect(result.state).toBe("clean");
  expect(await fixture.git(["cat-file", "-p", `${result.tree}:file.txt`])).toBe(
    TEXT.replace("line 1\n", "one\n").replace("line 9\n", "nine\n").trimEnd(),
  );
});

test("every kind of conflict is told apart, with its stages", async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.write({
    content: TEXT,
    modified: TEXT.repeat(2),
    moved: TEXT.repeat(3),
    binary: "\0\u0001",
    "ünï code": "x\n",
  });
  const base = await fixture.commitAll("base");
  const tip = await commitFrom(fixture, base, async () => {
    await fixture.write({ content: "ours\n", added: "ours\n", binary: "\0ours", "ünï code": "ours\n" });
    await rm(join(fixture.workTree, "modified"));
    await rm(join(fixture.workTree, "moved"));
  });
  const change = await commitFrom(fixture, base, async () => {
    await fixture.write({
      content: "theirs\n",
      added: "theirs\n",
      binary: "\0theirs",
      "ünï code": "theirs\n",
    });
    await fixture.write({ modified: `${TEXT.repeat(2)}more\n` });
    await rename(join(fixture.workTree, "moved"), join(fixture.workTree, "moved-away"));
  });
  const result = await openMergeEngine(fixture.repository).mergeCommit({ tip, change });
  if (result.state !== "conflicted") throw new Error("expected a conflict");
  expect(result.files.map((file) => [file.path, file.kind, file.stages.map((stage) => stage.stage)])).toEqual(
    [
      ["added", "add/add", [2, 3]],
      ["binary", "binary", [1, 2, 3]],
      ["content", "content", [1, 2, 3]],
      ["modified", "modify/delete", [1, 3]],
      ["moved-away", "rename/delete", [1, 3]],
      ["ünï code", "content", [1, 2, 3]],
    ],
  );
  expect(result.messages).toHaveLength(7);
  const stack = await openMergeEngine(fixture.repository).buildStack(tip, [
    { change, author: ADA, committer: ADA, message: "x" },
  ]);
  expect(stack).toEqual({ tip, results: [{ ...result, change }] });
});

test("a merge attribute of the tip decides how a contested file is merged", async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.write({ "log/.gitattributes": "*.md merge=union\n", "log/CHANGES.md": "start\n" });
  const base = await fixture.commitAll("base");
  const tip = await commitFrom(fixture, base, () => fixture.write({ "log/CHANGES.md": "start\nours\n" }));
  const change = await commitFrom(fixture, base, () =>
    fixture.write({ "log/CHANGES.md": "start\ntheirs\n" }),
  );
  const result = await openMergeEngine(fixture.repository).mergeCommit({ tip, change });
  expect(result.state).toBe("clean");
  expect(await fixture.git(["cat-file", "-p", `${result.tree}:log/CHANGES.md`])).toBe("start\nours\ntheirs");
});

test("a change that is in the tip already stays undone when it was reverted", async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.write({ a: "1" });
  const base = await fixture.commitAll("base");
  const change = await commitFrom(fixture, base, () => fixture.write({ a: "2" }));
  await fixture.git(["revert", "--no-edit", change]);
  const tip = await fixture.git(["rev-parse", "HEAD"]);
  const result = await openMergeEngine(fixture.repository).mergeCommit({ tip, change });
  expect(result).toEqual({ state: "clean", tree: await fixture.git(["rev-parse", `${base}^{tree}`]) });
});

test("the merge base is found over merges, and not guessed", async () => {
  await using fixture = await createTemporaryRepository();
  const { repository } = fixture;
  await fixture.write({ a: "1" });
  const base = await fixture.commitAll("base");
  const change = await commitFrom(fixture, base, () => fixture.write({ b: "1" }));
  const side = await commitFrom(fixture, base, () => fixture.write({ c: "1" }));
  const tip = await commitFrom(fixture, base, () => fixture.write({ d: "1" }));
  await fixture.git(["merge", "-q", "--no-edit", side]);
  const merged = await fixture.git(["rev-parse", "HEAD"]);
  expect(await findChangeBase(repository, merged, change)).toEqual({ state: "based", base });
  expect(await findChangeBase(repository, base, change)).toEqual({ state: "based", base });
  expect(await findChangeBase(repository, merged, side)).toEqual({ state: "contained" });
  expect(await findChangeBase(repository, tip, merged)).toEqual({ state: "based", base: tip });
  expect(await findChangeBase(repository, base, base)).toEqual({ state: "contained" });
});

test("a person's commits are taken into the integration branch", async () => {
  await using fixture = await createTemporaryRepository();
  const { repository } = fixture;
  await fixture.write({ a: "1\n" });
  const base = await fixture.commitAll("base");
  const request = { integrationRef: "refs/heads/canopy/main", branch: "main", author: ADA };
  expect(await syncBase(repository, request)).toEqual({ state: "created", tip: base });
  expect(await syncBase(repository, request)).toEqual({ state: "up-to-date", tip: base });
  await fixture.write({ b: "1\n" });
  const second = await fixture.commitAll("second");
  expect(await syncBase(repository, request)).toEqual({ state: "fast-forwarded", tip: second });
  const landed = await commitFrom(fixture, second, () => fixture.write({ c: "1\n" }));
  await fixture.git(["update-ref", "refs/heads/canopy/main", landed]);
  await fixture.git(["checkout", "-q", "main"]);
  await fixture.write({ d: "1\n" });
  const third = await fixture.commitAll("third");
  const merged = await syncBase(repository, request);
  expect(merged).toEqual({ state: "merged", tip: await readRef(repository, "refs/heads/canopy/main") });
  expect(await fixture.git(["log", "-1", "--format=%P", merged.tip])).toBe(`${landed} ${third}`);
  const other = await commitFrom(fixture, merged.tip, () => fixture.write({ a: "landed\n" }));
  await fixture.git(["update-ref", "refs/heads/canopy/main", other]);
  await fixture.git(["checkout", "-q", "main"]);
  await fixture.write({ a: "mine\n" });
  await fixture.commitAll("fourth");
  expect(await syncBase(repository, request)).toMatchObject({
    state: "conflicted",
    tip: other,
    files: [{ path: "a" }],
  });
  expect(await readRef(repository, "refs/heads/canopy/main")).toBe(other);
});

const PATHS = ["a", "d/a", "d/b", "d/c", "d/s/x", "d/s/y", "e/a", "e/b", "f", "new/a", "new/s/x"];
const FOLDERS = ["d", "d/s", "e", "new", "g"];
const editArbitrary = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("write" as const),
      path: fc.constantFrom(...PATHS),
      salt: fc.nat(2),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("remove" as const),
      path: fc.constantFrom(...PATHS, ...FOLDERS),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("move" as const),
      path: fc.constantFrom(...PATHS, ...FOLDERS),
      to: fc.constantFrom(...PATHS, ...FOLDERS),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("mode" as const), path: fc.constantFrom(...PATHS) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("link" as const), path: fc.constantFrom(...PATHS) }),
  },
);
type Edit = typeof editArbitrary extends fc.Arbitrary<infer T> ? T : never;

async function applyEdit(root: string, edit: Edit): Promise<void> {
  const path = join(root, edit.path);
  const work = async (): Promise<unknown> => {
    if (edit.type === "remove") return await rm(path, { recursive: true });
    if (edit.type === "mode") return await chmod(path, 0o755);
    await mkdir(dirname(path), { recursive: true });
    if (edit.type === "write") return await writeFile(path, `${edit.path}\n${TEXT}salt ${edit.salt}\n`);
    if (edit.type === "link") return await symlink("a", path);
    await mkdir(dirname(join(root, edit.to)), { recursive: true });
    return await rename(path, join(root, edit.to));
  };
  await work().catch(() => undefined);
}

test("where the fast merge answers, it answers what git merge-tree does", { timeout: 240_000 }, async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.write(Object.fromEntries(PATHS.slice(0, 9).map((path) => [path, `${path}\n${TEXT}`])));
  const base = await fixture.commitAll("base");
  const tree = (commit: string): Promise<string> => fixture.git(["rev-parse", `${commit}^{tree}`]);
  const baseTree = await tree(base);
  const edits = fc.array(editArbitrary, { minLength: 1, maxLength: 5 });
  let cleanCount = 0;
  await fc.assert(
    fc.asyncProperty(edits, edits, async (mine, yours) => {
      const make = (list: Edit[]): Promise<string> =>
        commitFrom(fixture, base, async () => {
          for (const edit of list) await applyEdit(fixture.workTree, edit);
        });
      const [ours, theirs] = [await make(mine), await make(yours)];
      const fast = await mergeTrees(fixture.repository, {
        base: baseTree,
        ours: await tree(ours),
        theirs: await tree(theirs),
      });
      if (fast.state !== "clean") return;
      cleanCount += 1;
      const slow = await fixture.repository.git(["merge-tree", "--write-tree", "-z", ours, theirs], {
        acceptExitCodes: [0, 1],
      });
      const empty = await fixture.repository.writeObject("tree", Buffer.alloc(0));
      expect([0, fast.tree ?? empty]).toEqual([slow.exitCode, slow.stdout.toString("utf8").split("\0")[0]]);
    }),
    { numRuns: Number(process.env["CANOPY_FUZZ_RUNS"] ?? 80) },
  );
  expect(cleanCount).toBeGreaterThan(5);
});
