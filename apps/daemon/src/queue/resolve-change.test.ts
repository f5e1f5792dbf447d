import { isCanopyError } from "@canopy/protocol";
import { TEST_PERSON } from "@canopy/testkit";
import { expect, test } from "vitest";
import { openStuckProject } from "./contract/open-stuck-project.ts";
import type { StuckProject } from "./contract/open-stuck-project.ts";
import { readChangeConflict } from "./read-change-conflict.ts";
import { resolveChange } from "./resolve-change.ts";

const ASKED = { actor: TEST_PERSON, key: "resolve-1" };
const FILES = {
  base: { "a.txt": "one\n", "b.txt": "b\n", "same.txt": "same\n" },
  ours: { "a.txt": "ours\n", "b.txt": null },
  theirs: { "a.txt": "theirs\n", "b.txt": "changed\n" },
};

/** Code, message and data of what is thrown. */
async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    return ["resolved", await promise];
  } catch (error) {
    if (!isCanopyError(error)) throw error;
    return [error.code, error.message, error.data];
  }
}

async function resolve(
  project: StuckProject,
  choices: Parameters<typeof resolveChange>[2]["choices"],
): Promise<unknown> {
  return await resolveChange(project, project.change.changeId, { choices, detail: "" }, ASKED);
}

test("a conflict is told with kinds, versions and the intents of both sides", async () => {
  await using project = await openStuckProject(FILES);
  const conflict = await readChangeConflict(project, project.change.changeId);
  const tip = await project.git("rev-parse", "canopy/main");
  expect(
    conflict.files.map(({ path, kind, base, ours, theirs, merged }) => [
      path,
      kind,
      base?.text,
      ours?.text ?? null,
      theirs?.text ?? null,
      merged?.content.includes("<<<<<<<"),
    ]),
  ).toEqual([
    ["a.txt", "content", "one\n", "ours\n", "theirs\n", true],
    ["b.txt", "modify/delete", "b\n", null, "changed\n", false],
  ]);
  expect([conflict.tip, conflict.isConflicted, conflict.intent, conflict.landed]).toEqual([
    tip,
    true,
    { taskId: project.change.taskId, title: "Paint it", description: "in red", summary: "done" },
    [{ commit: tip, subject: "What landed", taskId: null, paths: ["a.txt", "b.txt"] }],
  ]);
});

test("choices for every path become a commit on the branch's tip, kept under its ref, that queues the change", async () => {
  await using project = await openStuckProject(FILES);
  const { changeId } = project.change;
  const tip = await project.git("rev-parse", "canopy/main");
  await resolve(project, {
    "a.txt": { content: "both\n", encoding: "utf8" },
    "b.txt": { take: "theirs" },
  });
  const commit = await project.git("rev-parse", `refs/canopy/resolved/${changeId}`);
  const change = project.current();
  expect([change.state, change.commit, change.baseCommit, change.filesChanged, change.revision]).toEqual([
    "building",
    commit,
    tip,
    2,
    1,
  ]);
  expect(change.ladder.map(({ rung, outcome, paths }) => [rung, outcome, paths])).toEqual([
    ["person", "worked", ["a.txt", "b.txt"]],
  ]);
  expect([
    await project.git("rev-parse", `${commit}^`),
    await project.git("show", `${commit}:a.txt`),
    await project.git("show", `${commit}:b.txt`),
    await project.git("show", `${commit}:same.txt`),
    await project.git("log", "-1", "--format=%an|%B", commit),
  ]).toEqual([tip, "both", "changed", "same", "Ada|Paint it red\n\nTask: tsk_x\n"]);
});

test("unresolved paths, markers and unknown paths are refused by name, and nothing is kept", async () => {
  await using project = await openStuckProject(FILES);
  const marked = { content: "<<<<<<< a\nx\n=======\ny\n>>>>>>> b\n", encoding: "utf8" } as const;
  expect([
    await failure(resolve(project, { "a.txt": { take: "ours" } })),
    await failure(resolve(project, { "a.txt": marked, "b.txt": { delete: true } })),
    await failure(resolve(project, { "same.txt": { take: "ours" } })),
  ]).toEqual([
    ["conflict", "still unresolved: b.txt", { unresolved: ["b.txt"] }],
    ["conflict", "conflict markers are left in: a.txt", { marked: ["a.txt"] }],
    ["request.invalid", "not in conflict: same.txt", undefined],
  ]);
  expect([await project.git("for-each-ref", "refs/canopy/resolved"), project.current().state]).toEqual([
    "",
    "conflicted",
  ]);
});

test("a change that merges by now is to be tried again, not resolved", async () => {
  await using project = await openStuckProject(FILES);
  await project.git("update-ref", "refs/heads/canopy/main", await project.git("rev-parse", "main"));
  const { changeId } = project.change;
  expect(await failure(resolve(project, {}))).toEqual([
    "conflict",
    `change ${changeId} merges with the branch as it is now`,
    undefined,
  ]);
  expect(await readChangeConflict(project, changeId)).toMatchObject({ isConflicted: false, files: [] });
});

test("what the room refuses is not kept: an earlier resolution stays under its ref", async () => {
  await using project = await openStuckProject(FILES);
  const { changeId } = project.change;
  await project.git("update-ref", `refs/canopy/resolved/${changeId}`, "main");
  const abandon = { type: "change.abandon", changeId, reason: "" };
  project.room.submit({ key: "retry", actor: TEST_PERSON, command: { type: "change.requeue", changeId } });
  expect(project.current().state).not.toBe("conflicted");
  const outcome = await failure(resolve(project, { "a.txt": { take: "ours" }, "b.txt": { delete: true } }));
  expect(outcome).toEqual(["conflict", expect.stringContaining(`change ${changeId} is`), undefined]);
  expect(await project.git("rev-parse", `refs/canopy/resolved/${changeId}`)).toBe(
    await project.git("rev-parse", "main"),
  );
  project.room.submit({ key: "abandon", actor: TEST_PERSON, command: abandon });
});
