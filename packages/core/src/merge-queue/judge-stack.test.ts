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
  expect(judged).toEqual({ goodCount: 3, culprit: null, retries: [], probes: [3], useless: [0] });
});

test("[MQ9] a red tip is searched by halves; what is right behind the last good one is to blame", () => {
  expect(judgeStack({ statuses: [U, U, U, "red"], slots: 1 }).probes).toEqual([1]);
  expect(judgeStack({ statuses: [U, "green", "red", R], slots: 1 })).toEqual({
    goodCount: 2,
    culprit: 2,
    retries: [],
    probes: [],
    useless: [3],
  });
  expect(judgeStack({ statuses: ["red", R], slots: 2 })).toEqual({
    goodCount: 0,
    culprit: 0,
    retries: [],
    probes: [],
    useless: [1],
  });
});

test("[MQ10] the first red result is tried again, and so is the one to be blamed; those in between only lead there", () => {
  const judge = (statuses: readonly CandidateStatus[], slots = 1): readonly unknown[] => {
    const { retries, probes, culprit, useless } = judgeStack({ statuses, slots });
    return [retries, probes, culprit, useless];
  };
  expect(judge([U, U, U, "suspect"])).toEqual([[3], [], null, []]);
  expect(judge([U, U, U, "suspect"], 2)).toEqual([[3], [1], null, []]);
  expect(judge([U, U, U, "retrying"])).toEqual([[], [1], null, []]);
  expect(judge([U, "suspect", U, "red"])).toEqual([[], [0], null, []]);
  expect(judge(["green", "suspect", U, "red"])).toEqual([[1], [], null, []]);
  expect(judge(["green", "retrying", U, "red"])).toEqual([[], [], null, []]);
  expect(judge(["green", "red", U, "red"])).toEqual([[], [], 1, []]);
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
    for (const at of judged.probes) statuses[at] = at >= firstRed ? "red" : "green";
  }
  throw new Error("it never comes to an end");
}

test("[MQ9] the first red candidate is always found, with few rounds", () => {
  check(
    property(integer({ min: 1, max: 64 }), nat(64), integer({ min: 1, max: 8 }), (count, red, slots) => {
      const found = search(count, red, slots);
      expect(found.good).toBe(Math.min(count, red));
      expect(found.culprit).toBe(red < count ? red : null);
      expect(found.asked).toBeLessThanOrEqual(2 + Math.ceil(Math.log2(count + 1)));
    }),
    { seed: 20261125, numRuns: 400 },
  );
});
