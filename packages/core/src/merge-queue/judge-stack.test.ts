import { expect, test } from "vitest";
import { assert as check, integer, nat, property } from "fast-check";
import type { CandidateStatus } from "./judge-stack.ts";
import { judgeStack } from "./judge-stack.ts";

const U = "unknown";
const R = "running";

test("[MQ13] the tip is tried first, then what splits the rest", () => {
  expect(judgeStack({ statuses: [U, U, U, U], slots: 1 }).probes).toEqual([3]);
  expect(judgeStack({ statuses: [U, U, U, U], slots: 3 }).probes).toEqual([3, 1, 0]);
  expect(judgeStack({ statuses: [U, U, U, R], slots: 1 }).probes).toEqual([1]);
});

test("[MQ13] a green candidate makes all before it good, and their validations useless", () => {
  const judged = judgeStack({ statuses: [R, U, "green", U], slots: 1 });
  expect(judged).toEqual({ goodCount: 3, culprit: null, probes: [3], useless: [0] });
});

test("[MQ9] a red tip is searched by halves; what is right behind the last good one is to blame", () => {
  expect(judgeStack({ statuses: [U, U, U, "red"], slots: 1 }).probes).toEqual([1]);
  expect(judgeStack({ statuses: [U, "green", "red", R], slots: 1 })).toEqual({
    goodCount: 2,
    culprit: 2,
    probes: [],
    useless: [3],
  });
  expect(judgeStack({ statuses: ["red", R], slots: 2 })).toEqual({
    goodCount: 0,
    culprit: 0,
    probes: [],
    useless: [1],
  });
});

test("[MQ10] red once is red enough to search on; only what is to blame in the end is tried once more", () => {
  expect(judgeStack({ statuses: [U, U, U, "suspect"], slots: 1 })).toEqual({
    goodCount: 0,
    culprit: null,
    probes: [1],
    useless: [],
  });
  const found = { goodCount: 1, culprit: null, useless: [] };
  expect(judgeStack({ statuses: ["green", "suspect", U, "suspect"], slots: 2 })).toEqual({
    ...found,
    probes: [1],
  });
  expect(judgeStack({ statuses: ["green", "suspect", U, "suspect"], slots: 0 })).toEqual({
    ...found,
    probes: [],
  });
  expect(judgeStack({ statuses: ["green", "confirming", R, "suspect"], slots: 1 })).toEqual({
    ...found,
    probes: [],
    useless: [2],
  });
  // It was flaky, and the search goes on behind it.
  expect(judgeStack({ statuses: ["green", "green", U, "suspect"], slots: 1 }).probes).toEqual([2]);
});

/** Validates as asked until nothing is left to ask, each candidate from `firstRed` on being red. */
function search(
  count: number,
  firstRed: number,
  slots: number,
): { culprit: number | null; good: number; asked: number } {
  const statuses: CandidateStatus[] = Array.from({ length: count }, () => "unknown" as const);
  for (let asked = 0; asked <= count; asked += 1) {
    const judged = judgeStack({ statuses, slots });
    if (judged.culprit !== null || judged.goodCount === count)
      return { culprit: judged.culprit, good: judged.goodCount, asked };
    for (const at of judged.probes) {
      if (at < firstRed) statuses[at] = "green";
      else statuses[at] = statuses[at] === "suspect" ? "red" : "suspect";
    }
  }
  throw new Error("it never comes to an end");
}

test("[MQ9] the first red candidate is always found, with few rounds", () => {
  check(
    property(integer({ min: 1, max: 64 }), nat(64), integer({ min: 1, max: 8 }), (count, red, slots) => {
      const found = search(count, red, slots);
      expect(found.good).toBe(Math.min(count, red));
      expect(found.culprit).toBe(red < count ? red : null);
      expect(found.asked).toBeLessThanOrEqual(3 + Math.ceil(Math.log2(count + 1)));
    }),
    { seed: 20261125, numRuns: 400 },
  );
});
