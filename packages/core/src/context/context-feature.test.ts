import { expect, test } from "vitest";
import type { FeatureCommand, FeatureEvent } from "@canopy/protocol";
import { TEST_EPOCH_MS, openTestRoom } from "@canopy/testkit";
import type { TestRoom } from "@canopy/testkit";
import { featureRoom } from "../rooms/feature-room.ts";
import { MAX_CONTEXT_ENTRIES, selectContext } from "./context-feature.ts";

function add(room: TestRoom<FeatureCommand, FeatureEvent>, text: string, kind = "learning"): unknown {
  return room.accept({ type: "context.add", kind, text }, { actor: { kind: "agent", id: "ses_one" } })[
    "entry"
  ];
}

function texts(room: TestRoom<FeatureCommand, FeatureEvent>): string[] {
  return selectContext(room.room.sql).map((entry) => entry.text);
}

test("[CX1] what is known is kept in order with who said it, and once when it is said twice", () => {
  const room = openTestRoom(featureRoom);
  const first = add(room, "the build needs make");
  add(room, "we use tabs", "decision");
  expect(add(room, " the build needs make ")).toEqual(first);
  expect(selectContext(room.room.sql)).toEqual([
    first,
    {
      entryId: expect.any(String) as string,
      kind: "decision",
      text: "we use tabs",
      path: null,
      author: "ses_one",
      atMs: TEST_EPOCH_MS,
    },
  ]);
});

test("[CX2] beyond the limit the oldest goes", () => {
  const room = openTestRoom(featureRoom);
  for (let count = 0; count <= MAX_CONTEXT_ENTRIES; count += 1) add(room, `number ${count}`);
  expect([texts(room).length, texts(room)[0], texts(room).at(-1)]).toEqual([
    MAX_CONTEXT_ENTRIES,
    "number 1",
    `number ${MAX_CONTEXT_ENTRIES}`,
  ]);
});

test("[CX3] an entry is taken back by its id; one that is not there is refused", () => {
  const room = openTestRoom(featureRoom);
  const { entryId } = room.accept({
    type: "context.add",
    kind: "key-file",
    text: "entry point",
    path: "a.ts",
  })["entry"] as { entryId: string };
  expect(room.submit({ type: "context.remove", entryId }).type).toBe("accepted");
  expect(texts(room)).toEqual([]);
  expect(room.submit({ type: "context.remove", entryId })).toMatchObject({ code: "context.not-found" });
});
