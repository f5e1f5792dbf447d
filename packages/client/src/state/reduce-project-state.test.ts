import { selectProjectState } from "@canopy/core";
import type { ProjectState } from "@canopy/protocol";
import { projectStateSchema } from "@canopy/protocol";
import { expect, test } from "vitest";
import { openProjectStory } from "../contract/project-story.ts";
import { projectView } from "./room-view.ts";
import { upsertAtEnd, upsertSorted } from "./upsert.ts";

const EMPTY: ProjectState = {
  tasks: [],
  dependencies: [],
  holds: [],
  runs: [],
  attempts: [],
  changes: [],
  sessions: [],
  overlaps: [],
  coordination: { claims: [], tickets: [], waits: [], isFinished: false },
  inquiries: [],
};

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  "snapshot plus events equals a later snapshot, order included (seed %i)",
  (seed) => {
    const story = openProjectStory(seed);
    const view = projectView("prj_story");
    let state = EMPTY;
    let seq = 0;
    for (let step = 0; step < 400; step += 1) {
      story.step();
      for (const event of story.driver.room.eventsAfter(seq, 10_000)) {
        state = view.apply(state, event);
        seq = event.seq;
      }
      if (step % 20 === 0)
        expect(state).toEqual(projectStateSchema.parse(selectProjectState(story.driver.room.sql)));
    }
    expect(state).toEqual(projectStateSchema.parse(selectProjectState(story.driver.room.sql)));
    const sizes = [
      state.tasks,
      state.runs,
      state.attempts,
      state.changes,
      state.sessions,
      state.dependencies,
    ];
    expect(sizes.map((list) => list.length > 0)).toEqual([true, true, true, true, true, true]);
  },
);

test("an event of a kind that is not known changes nothing", () => {
  const event = {
    seq: 1,
    type: "moon.landed",
    version: 1,
    atMs: 1,
    actor: { kind: "system", id: "x" },
    commandKey: "k",
    payload: {},
  } as const;
  expect(projectView("prj_story").apply(EMPTY, event)).toBe(EMPTY);
});

test("upserts replace what is there, insert in order, and leave the old list alone", () => {
  const list = [1, 3, 5];
  const order = (left: number, right: number): number => left - right;
  expect([
    upsertSorted(list, 3, order),
    upsertSorted(list, 4, order),
    upsertSorted(list, 0, order),
    upsertSorted(list, 9, order),
  ]).toEqual([
    [1, 3, 5],
    [1, 3, 4, 5],
    [0, 1, 3, 5],
    [1, 3, 5, 9],
  ]);
  expect([upsertAtEnd(list, 3, (other) => other === 3), upsertAtEnd(list, 2, () => false), list]).toEqual([
    [1, 3, 5],
    [1, 3, 5, 2],
    [1, 3, 5],
  ]);
});
