import type { Overlap } from "@canopy/protocol";
import { overlapSchema } from "@canopy/protocol";
import { expect, test } from "vitest";
import { formatRadar } from "./queue-radar.ts";

function overlap(attemptId: string, other: string | null, paths: readonly string[]): Overlap {
  const files = paths.map((path) => ({ path, kind: "content" }));
  return overlapSchema.parse({ attemptId, other, files, sinceMs: Date.now() + 60_000 });
}

test("each pair is shown once, with the branch by its name and a few files", () => {
  const overlaps = [
    overlap("att_1", "att_2", ["a.txt"]),
    overlap("att_2", "att_1", ["a.txt"]),
    overlap("att_1", null, ["1", "2", "3", "4", "5"]),
  ];
  expect(formatRadar(overlaps, [], new Map()).split("\n")).toEqual([
    "SESSION  MEETS       SINCE    FILES",
    "att_1    att_2       0ms ago  a.txt (content)",
    "att_1    the branch  0ms ago  1 (content), 2 (content), 3 (content), 4 (content) and 1 more",
  ]);
  expect(formatRadar([], [], new Map())).toBe("no running sessions overlap");
});
