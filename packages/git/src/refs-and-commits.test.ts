import { join } from "node:path";
import { expect, test } from "vitest";
import { isAncestor, listRefs, readRef, updateRefs, worktreesWithBranch } from "./refs.ts";
import { createTemporaryRepository } from "./temporary-repository.ts";
import { formatCommitMessage, writeCommit } from "./write-commit.ts";

const ADA = { name: "Ada Lovelace", email: "ada@example.test", atMs: 1_700_000_000_000, offsetMinutes: -330 };

test.each(["sha1", "sha256"] as const)(
  "a commit written in process is the one git reads (%s)",
  async (format) => {
    await using fixture = await createTemporaryRepository(format);
    await fixture.write({ a: "1" });
    const parent = await fixture.commitAll("first");
    const tree = await fixture.git(["rev-parse", "HEAD^{tree}"]);
    const commit = await writeCommit(fixture.repository, {
      tree,
      parents: [parent],
      author: ADA,
      committer: { ...ADA, name: "Bot <x>\n", offsetMinutes: 0 },
      message: "Subject\r\n\r\nBody \u0007here\n\n",
      trailers: [
        { key: "Task", value: "tsk_1" },
        { key: "Agent", value: "evil\nTask: tsk_2" },
      ],
    });
    expect(await fixture.git(["cat-file", "commit", commit])).toBe(
      [
        `tree ${tree}`,
        `parent ${parent}`,
        "author Ada Lovelace <ada@example.test> 1700000000 -0530",
        "committer Bot x <ada@example.test> 1700000000 +0000",
        "",
        "Subject",
        "",
        "Body here",
        "",
        "Task: tsk_1",
        "Agent: evil Task: tsk_2",
      ].join("\n"),
    );
    expect(await fixture.git(["log", "-1", "--format=%(trailers:key=Task,valueonly)", commit])).toBe(
      "tsk_1\n",
    );
    expect(await fixture.git(["fsck", "--strict", "--no-dangling"])).toBe("");
  },
);

test("an empty message says so", () => {
  expect(formatCommitMessage(" \n\n")).toBe("(no message)\n");
});

test("refs move together by compare-and-swap, and not at all when one has moved", async () => {
  await using fixture = await createTemporaryRepository();
  const first = await fixture.commitAll("first");
  const second = await fixture.commitAll("second");
  const { repository } = fixture;
  const one = "refs/canopy/attempts/att_1";
  const two = "refs/canopy/attempts/att_2";
  await updateRefs(repository, [
    { ref: one, newCommit: first, oldCommit: null },
    { ref: two, newCommit: first, oldCommit: null },
  ]);
  await expect(
    updateRefs(repository, [
      { ref: one, newCommit: second, oldCommit: first },
      { ref: two, newCommit: second, oldCommit: second },
    ]),
  ).rejects.toMatchObject({ code: "git.ref-moved", data: { ref: two, expected: second, actual: first } });
  await expect(
    updateRefs(repository, [{ ref: one, newCommit: second, oldCommit: null }]),
  ).rejects.toMatchObject({
    code: "git.ref-moved",
    data: { ref: one, expected: null, actual: first },
  });
  expect(await listRefs(repository, "refs/canopy/attempts/")).toEqual([
    { ref: one, commit: first },
    { ref: two, commit: first },
  ]);
  await updateRefs(repository, [
    { ref: one, newCommit: second, oldCommit: first },
    { ref: two, newCommit: null, oldCommit: first },
  ]);
  expect([await readRef(repository, one), await readRef(repository, two)]).toEqual([second, null]);
});

test("ancestry and checked-out branches are answered", async () => {
  await using fixture = await createTemporaryRepository();
  const first = await fixture.commitAll("first");
  const second = await fixture.commitAll("second");
  const linked = join(fixture.root, "linked");
  await fixture.git(["worktree", "add", "-q", "-b", "topic", linked]);
  expect(await isAncestor(fixture.repository, first, second)).toBe(true);
  expect(await isAncestor(fixture.repository, second, first)).toBe(false);
  expect(await worktreesWithBranch(fixture.repository, "topic")).toEqual([linked]);
  expect(await worktreesWithBranch(fixture.repository, "main")).toEqual([fixture.workTree]);
  expect(await worktreesWithBranch(fixture.repository, "other")).toEqual([]);
});
