import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { EventEnvelope, ProjectCommand, ProjectEvent } from "@canopy/protocol";
import { moveAll, openProjectDriver, openTestRoom } from "@canopy/testkit";
import type { TestRoom } from "@canopy/testkit";
import { appendEvent } from "../kernel/journal.ts";
import { projectRoom } from "../rooms/project-room.ts";
import { selectJobs } from "../jobs/job-feature.ts";
import { selectTasks } from "../tasks/select-tasks.ts";
import { selectChanges, selectOpenLandings, selectValidation } from "./change-rows.ts";

const JOURNAL = join(import.meta.dirname, "../../../testkit/fixtures/journals/project-0.1.jsonl");

/** A room with the journal that version 0.1 wrote: one change landed, one conflicted, one intended to land, one queued. */
function openOldRoom(): TestRoom<ProjectCommand, ProjectEvent> {
  const old = openTestRoom(projectRoom);
  const events = readFileSync(JOURNAL, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as EventEnvelope);
  old.storage.transaction(() => {
    for (const event of events) appendEvent(old.storage.sql, event);
  });
  old.restart();
  old.room.replay();
  return old;
}

test("[MQ21] a journal of version 0.1 is replayed, and its work goes on", () => {
  const old = openOldRoom();
  const { sql } = old.room;
  expect(
    selectChanges(sql).map(({ state, ladder, work, blockedBy }) => [state, ladder, work, blockedBy]),
  ).toEqual([
    ["landed", [], null, []],
    ["conflicted", [], null, []],
    ["testing", [], null, []],
    ["queued", [], null, []],
  ]);
  expect(selectOpenLandings(sql).map(({ lane, newCommit }) => [lane, newCommit])).toEqual([["*", "n"]]);
  expect(selectValidation(sql, "t1", "h1")).toMatchObject({ flakySteps: [], tries: 2 });
  expect(selectJobs(sql, "leased").map((job) => job.kind)).toEqual(["land"]);
  old.accept({ type: "runner.register", runnerId: "rnr_new", hostId: "host" });
  // The old runner's landing is asked for in the new form, and what waited is built.
  expect(selectJobs(sql, "queued").map((job) => job.kind)).toEqual(["move"]);
  const driver = openProjectDriver(7, old);
  expect(moveAll(driver).length).toBe(1);
  driver.land();
  expect(driver.changes().map((change) => change.state)).toEqual([
    "landed",
    "conflicted",
    "landed",
    "landed",
  ]);
  expect(selectTasks(sql).map((task) => task.status)).toEqual(["closed", "closed", "needs_input", "closed"]);
});
