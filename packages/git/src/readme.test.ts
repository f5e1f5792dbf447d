import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  captureTree,
  materializeCommit,
  openMergeEngine,
  openRepository,
  readRepositoryIdentity,
  requireBranch,
  updateRefs,
  writeCommit,
} from "./index.ts";
import { createTemporaryRepository } from "./temporary-repository.ts";

test("the example of the README lands a change", async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.commitAll("base");
  const folder = fixture.workTree;
  const directory = join(fixture.root, "checkout");
  const author = { name: "Ada", email: "ada@example.test", atMs: 1_700_000_000_000 };

  const identity = await readRepositoryIdentity(folder);
  await using repository = openRepository(identity);
  await materializeCommit(repository, {
    commit: identity.headCommit,
    directory,
    branch: requireBranch(identity),
  });
  await writeFile(join(directory, "hello.txt"), "hello\n");
  const captured = await captureTree(repository, { baseCommit: identity.headCommit, workTree: directory });
  const change = await writeCommit(repository, {
    tree: captured.tree,
    parents: [identity.headCommit],
    author,
    committer: author,
    message: "Say hello",
  });
  const stack = await openMergeEngine(repository).buildStack(identity.headCommit, [
    { change, author, committer: author, message: "Say hello" },
  ]);
  await updateRefs(repository, [{ ref: "refs/heads/canopy/main", newCommit: stack.tip, oldCommit: null }]);

  expect(await fixture.git(["show", "canopy/main:hello.txt"])).toBe("hello");
  expect(captured.changed).toEqual([{ path: "hello.txt", kind: "added" }]);
});
