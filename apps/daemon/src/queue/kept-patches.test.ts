import { CanopyError, isCanopyError } from "@canopy/protocol";
import { TEST_PERSON } from "@canopy/testkit";
import { expect, test } from "vitest";
import { applyKeptPatch, expireKeptPatches, exportKeptPatch, listKeptPatches } from "./kept-patches.ts";
import { openStuckProject } from "./contract/open-stuck-project.ts";

const FILES = { base: { "a.txt": "one\n" }, ours: { "a.txt": "ours\n" }, theirs: { "a.txt": "theirs\n" } };
const DAY_MS = 86_400_000;

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "ok";
  } catch (error) {
    if (isCanopyError(error)) return error.code;
    throw error;
  }
}

test("kept work is listed with what it belongs to, and exported as a patch", async () => {
  await using project = await openStuckProject(FILES);
  const { changeId, commit, taskId, attemptId } = project.change;
  await project.git("update-ref", `refs/canopy/failed/${changeId}/1`, commit);
  const list = await listKeptPatches(project, Date.now() + DAY_MS);
  const shared = {
    commit,
    changeId,
    changeState: "conflicted",
    attemptId,
    taskId,
    taskNumber: 1,
    title: "Paint it",
  };
  expect(list.map(({ ageMs, ...patch }) => [ageMs >= DAY_MS - 1000, patch])).toEqual([
    [true, { ref: `refs/canopy/attempts/${attemptId}`, kind: "attempt", ...shared }],
    [true, { ref: `refs/canopy/failed/${changeId}/1`, kind: "failed", ...shared }],
  ]);
  const { patch } = await exportKeptPatch(project, `failed/${changeId}/1`);
  expect(Buffer.from(patch).toString()).toMatch(
    /^From [0-9a-f]{40} .*\n(?:.*\n)*Subject: .*Paint it red\n(?:.*\n)*-one\n\+theirs\n/,
  );
  expect([
    await codeOf(exportKeptPatch(project, "refs/heads/main")),
    await codeOf(exportKeptPatch(project, "refs/canopy/failed/../../heads/main")),
    await codeOf(exportKeptPatch(project, "failed/chg_none/1")),
  ]).toEqual(["request.invalid", "request.invalid", "thing.not-found"]);
});

test("a kept candidate that stood on others brings only what it changed itself", async () => {
  await using project = await openStuckProject(FILES);
  const { changeId } = project.change;
  const tip = await project.git("rev-parse", "canopy/main");
  const other = await project.commitOn(tip, { "other.txt": "never landed\n" }, "Another candidate");
  const failed = await project.commitOn(other, { "mine.txt": "mine\n" }, "Mine");
  await project.git("update-ref", `refs/canopy/failed/${changeId}/1`, failed);
  const asked = { actor: TEST_PERSON, key: "apply" };
  const resolution = await applyKeptPatch(project, `failed/${changeId}/1`, asked);
  const change = project.current();
  expect([change.state, change.commit, change.baseCommit, change.filesChanged]).toEqual([
    "building",
    resolution.commit,
    tip,
    1,
  ]);
  expect(await project.git("diff", "--name-only", tip, change.commit)).toBe("mine.txt");
});

test("kept work that conflicts with the branch, or that no change came of, is refused", async () => {
  await using project = await openStuckProject(FILES);
  const { changeId } = project.change;
  const other = await project.commitOn("main", { "a.txt": "another\n" }, "Another candidate");
  const failed = await project.commitOn(other, { "a.txt": "mine\n" }, "Mine");
  await project.git("update-ref", `refs/canopy/failed/${changeId}/1`, failed);
  await project.git("update-ref", "refs/canopy/attempts/att_stray", failed);
  const asked = { actor: TEST_PERSON, key: "apply" };
  expect([
    await codeOf(applyKeptPatch(project, `failed/${changeId}/1`, asked)),
    await codeOf(applyKeptPatch(project, "attempts/att_stray", asked)),
    project.current().state,
  ]).toEqual(["conflict", "conflict", "conflicted"]);
});

test("old kept work is forgotten but that of changes that are not over; a dry run forgets nothing", async () => {
  await using project = await openStuckProject(FILES);
  const { changeId, attemptId } = project.change;
  await project.git("update-ref", "refs/canopy/attempts/att_stray", "main");
  const keep = { attemptsMs: 30 * DAY_MS, failedMs: 90 * DAY_MS };
  const expire = async (days: number, isDryRun: boolean): Promise<string[]> => {
    const nowMs = Date.now() + days * DAY_MS;
    return (await expireKeptPatches(project, { keep, nowMs, isDryRun })).map(({ ref }) => ref);
  };
  const stray = "refs/canopy/attempts/att_stray";
  expect([
    await expire(29, false),
    await expire(31, true),
    await expire(31, false),
    await expire(31, false),
  ]).toEqual([[], [stray], [stray], []]);
  const command = { type: "change.abandon", changeId, reason: "" };
  const answer = project.room.submit({ key: "abandon", actor: TEST_PERSON, command });
  if (answer.type === "rejection") throw new CanopyError("internal", answer.message);
  expect(await expire(31, false)).toEqual([`refs/canopy/attempts/${attemptId}`]);
});
