import { rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { applyChoices } from "./apply-choices.ts";
import type { ConflictChoice } from "./apply-choices.ts";
import { findConflictMarkers } from "./find-conflict-markers.ts";
import { openMergeEngine } from "./merge-engine.ts";
import { readConflict } from "./read-conflict.ts";
import type { ConflictedMerge } from "./read-conflict.ts";
import { createTemporaryRepository } from "./temporary-repository.ts";
import type { TemporaryRepository } from "./temporary-repository.ts";
import { writeConflictCommit } from "./write-conflict-commit.ts";

const TEXT = Array.from({ length: 12 }, (_value, index) => `line ${index}\n`).join("");

interface Clash {
  readonly base: string;
  readonly tip: string;
  readonly change: string;
  readonly merge: ConflictedMerge;
}

async function clash(fixture: TemporaryRepository): Promise<Clash> {
  const at = (name: string): string => join(fixture.workTree, name);
  await fixture.write({
    content: TEXT,
    modified: TEXT.repeat(2),
    unmodified: TEXT.repeat(4),
    moved: TEXT.repeat(3),
    twice: `twice\n${TEXT}`,
    kind: "kind\n",
    binary: "\0base",
    keep: "k\n",
  });
  const base = await fixture.commitAll("base");
  await fixture.write({
    content: TEXT.replace("line 5", "OURS"),
    added: "ours\n",
    binary: "\0ours",
    folder: "a file\n",
  });
  await Promise.all([rm(at("modified")), rm(at("moved")), rm(at("kind"))]);
  await fixture.write({ unmodified: `${TEXT.repeat(4)}ours\n` });
  await rename(at("twice"), at("twice-ours"));
  await symlink("keep", at("kind"));
  const tip = await fixture.commitAll("tip");
  await fixture.git(["checkout", "-q", "--detach", base]);
  await fixture.write({ content: TEXT.replace("line 5", "THEIRS"), added: "theirs\n", binary: "\0theirs" });
  await fixture.write({ modified: `${TEXT.repeat(2)}more\n`, kind: "kind of theirs\n", "folder/x": "x\n" });
  await Promise.all([rm(at("unmodified")), rename(at("moved"), at("moved-away"))]);
  await rename(at("twice"), at("twice-theirs"));
  const change = await fixture.commitAll("change");
  const merge = await openMergeEngine(fixture.repository).mergeCommit({ tip, change });
  if (merge.state !== "conflicted") throw new Error("expected a conflict");
  return { base, tip, change, merge };
}

/** `folder~ID` and the like, whatever the id. */
function plain(path: string): string {
  return path.replace(/~[0-9a-f]{40}.*$/, "~ID");
}

test("a conflict is read with all versions and what was renamed", async () => {
  await using fixture = await createTemporaryRepository();
  const { merge } = await clash(fixture);
  const conflicts = await readConflict(fixture.repository, merge);
  expect(
    conflicts.map((conflict) => [
      plain(conflict.path),
      conflict.kind,
      [conflict.base, conflict.ours, conflict.theirs]
        .map((side) => (side === null ? "-" : side.mode))
        .join(" "),
      conflict.renamedFrom,
      conflict.relatedPaths.map(plain),
    ]),
  ).toEqual([
    ["added", "add/add", "- 100644 100644", null, []],
    ["binary", "binary", "100644 100644 100644", null, []],
    ["content", "content", "100644 100644 100644", null, []],
    ["folder~ID", "file/directory", "- 100644 -", null, ["folder"]],
    ["kind", "mode", "- 120000 -", null, ["kind~ID"]],
    ["kind~ID", "mode", "100644 - 100644", null, ["kind"]],
    ["modified", "modify/delete", "100644 - 100644", null, []],
    ["moved-away", "rename/delete", "100644 - 100644", "moved", ["moved"]],
    ["twice", "rename/rename", "100644 - -", null, ["twice-ours", "twice-theirs"]],
    ["twice-ours", "rename/rename", "- 100644 -", "twice", ["twice", "twice-theirs"]],
    ["twice-theirs", "rename/rename", "- - 100644", "twice", ["twice", "twice-ours"]],
    ["unmodified", "modify/delete", "100644 100644 -", null, []],
  ]);
  const content = conflicts.find((conflict) => conflict.path === "content");
  expect(content?.theirs).toEqual({
    mode: "100644",
    objectId: await fixture.git(["rev-parse", "HEAD:content"]),
    sizeBytes: TEXT.length,
    isBinary: false,
    text: TEXT.replace("line 5", "THEIRS"),
    isCut: false,
  });
  const binary = conflicts.find((conflict) => conflict.path === "binary");
  expect([binary?.ours?.isBinary, binary?.ours?.text, binary?.ours?.sizeBytes]).toEqual([true, null, 5]);
});

const NAMES = ["added", "binary", "content", "folder", "kind", "modified", "moved", "moved-away", "twice"];
const ALL_NAMES = [...NAMES, "twice-ours", "twice-theirs", "unmodified", "keep"];

test.each(["ours", "theirs", "base"] as const)("taking %s everywhere gives that side", async (side) => {
  await using fixture = await createTemporaryRepository();
  const { base, tip, change, merge } = await clash(fixture);
  const choices = new Map<string, ConflictChoice>(merge.files.map((file) => [file.path, { take: side }]));
  const result = await applyChoices(fixture.repository, merge, choices);
  expect(result.unresolved).toEqual([]);
  const side2 = { ours: tip, theirs: change, base }[side];
  const list = (tree: string): Promise<string> => fixture.git(["ls-tree", "-r", tree]);
  // The folder is not in conflict itself: it stays unless the file is taken.
  const expected =
    side === "base"
      ? `${await list(base)}\n${(await list(change)).split("\n").find((line) => line.endsWith("folder/x")) ?? ""}`
      : await list(side2);
  expect((await list(result.tree)).split("\n").sort()).toEqual(expected.split("\n").sort());
  expect(await findConflictMarkers(fixture.repository, result.tree, ALL_NAMES)).toEqual([]);
});

test("one choice stands for all halves; what has none stays unresolved with its markers", async () => {
  await using fixture = await createTemporaryRepository();
  const { merge } = await clash(fixture);
  const { repository } = fixture;
  const result = await applyChoices(
    repository,
    merge,
    new Map<string, ConflictChoice>([
      ["twice-theirs", { take: "theirs" }],
      ["kind", { take: "theirs" }],
      ["binary", { take: "union" }],
      ["modified", { delete: true }],
      ["added", { content: Buffer.from("both\n"), mode: "100755" }],
      ["unmodified", { take: "union" }],
    ]),
  );
  expect(result.unresolved.map(plain)).toEqual(["binary", "content", "folder~ID", "moved-away"]);
  const names = await fixture.git(["ls-tree", "-r", "--name-only", result.tree]);
  expect(names.split("\n").map(plain)).toEqual([
    "added",
    "binary",
    "content",
    "folder/x",
    "folder~ID",
    "keep",
    "kind",
    "moved-away",
    "twice-theirs",
    "unmodified",
  ]);
  expect(await fixture.git(["ls-tree", result.tree, "added", "kind"])).toMatch(/^100755 .*\n100644 /);
  expect(await fixture.git(["show", `${result.tree}:kind`])).toBe("kind of theirs");
  expect(await findConflictMarkers(repository, result.tree, [...ALL_NAMES, "missing"])).toEqual(["content"]);
});

test("union keeps the lines of both sides", async () => {
  await using fixture = await createTemporaryRepository();
  const { merge } = await clash(fixture);
  const choices = new Map<string, ConflictChoice>([
    ["content", { take: "union" }],
    ["added", { take: "union" }],
  ]);
  const { tree } = await applyChoices(fixture.repository, merge, choices);
  expect(await fixture.git(["show", `${tree}:added`])).toBe("ours\ntheirs");
  expect(await fixture.git(["show", `${tree}:content`])).toBe(
    TEXT.replace("line 5", "OURS\nTHEIRS").trimEnd(),
  );
});

test("the commit for a resolver is on the tip, has the markers, and is the same when made again", async () => {
  await using fixture = await createTemporaryRepository();
  const { tip, change, merge } = await clash(fixture);
  const input = { tip, change, merge, message: "Resolve me" };
  const commit = await writeConflictCommit(fixture.repository, input);
  expect(await writeConflictCommit(fixture.repository, input)).toBe(commit);
  expect(await fixture.git(["log", "-1", "--format=%P %T %s", commit])).toBe(
    `${tip} ${merge.tree} Resolve me`,
  );
  expect(await findConflictMarkers(fixture.repository, merge.tree, ["added", "content", "keep"])).toEqual([
    "added",
    "content",
  ]);
});
