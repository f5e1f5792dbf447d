import type { ConflictDetail, Task } from "@canopy/protocol";
import { changeConflictSchema } from "@canopy/protocol";
import { expect, test } from "vitest";
import { describeConflictFile, formatConflict } from "./describe-conflict.ts";

const VERSION = { mode: "100644", sizeBytes: 1, isBinary: false, text: "x", isCut: false };
const TASKS: ReadonlyMap<string, Task> = new Map();

function conflictWith(fields: Partial<ConflictDetail>): ReturnType<typeof changeConflictSchema.parse> {
  const file = {
    base: VERSION,
    ours: VERSION,
    theirs: VERSION,
    renamedFrom: null,
    relatedPaths: [],
    merged: null,
  };
  return changeConflictSchema.parse({
    changeId: "chg_1",
    tip: "t",
    commit: "c",
    isConflicted: true,
    files: [{ path: "a.txt", kind: "content", ...file, ...fields }],
    messages: [],
    intent: { taskId: "tsk_1", title: "", description: "", summary: "" },
    landed: [
      { commit: "0123456789abcdef", subject: "Tidy \u001b[31mup", taskId: null, paths: ["a.txt", "old.txt"] },
    ],
  });
}

function describe(fields: Partial<ConflictDetail>): readonly string[] {
  const conflict = conflictWith(fields);
  return conflict.files.flatMap((file) => describeConflictFile(file, conflict, TASKS));
}

test("a deletion says who deleted, who edited, and what each choice means", () => {
  const branch = 'the branch (0123456789 "Tidy up")';
  expect([
    describe({ kind: "modify/delete", ours: null }),
    describe({ kind: "modify/delete", theirs: null }),
  ]).toEqual([
    [
      `deleted by ${branch}, edited by this change`,
      "ours: it stays deleted, the edit is lost",
      "theirs: it comes back as this change edited it",
      "base: it comes back as it was before both",
    ],
    [
      `deleted by this change, edited by ${branch}`,
      "theirs: it stays deleted, the edit is lost",
      "ours: it comes back as the branch edited it",
      "base: it comes back as it was before both",
    ],
  ]);
});

test("a rename against a deletion says who renamed what", () => {
  expect(describe({ kind: "rename/delete", ours: null, renamedFrom: "old.txt" })).toEqual([
    'old.txt was deleted by the branch (0123456789 "Tidy up"), renamed to this path by this change',
    "ours: it stays deleted, under both names",
    "theirs: it stays under its new name",
    "base: the rename is undone, it comes back under its old name",
  ]);
});

test("every other kind has a line, and the end says how to go on", () => {
  const kinds = [
    "content",
    "add/add",
    "binary",
    "rename/rename",
    "file/directory",
    "mode",
    "submodule",
    "other",
  ];
  expect(new Set(kinds.map((kind) => describe({ kind })[0])).size).toBe(kinds.length);
  expect(formatConflict(conflictWith({ path: "a\u001b[2J.txt" }), TASKS)).toEqual([
    "conflict a.txt (content)",
    "           the same lines were changed by the branch and by this change",
    "ours is the branch, theirs this change, base what both come from, union the lines of both",
    "choose   canopy queue take ours|theirs|base|union chg_1 [PATH[=SIDE]...]",
    "or edit  canopy queue resolve chg_1 --checkout DIR, then: --from DIR",
  ]);
});
