import { expect, test } from "vitest";
import type { ObservedOperation } from "./check-history.ts";
import { findBreach } from "./check-history.ts";

function operation(
  text: string,
  [startMs, endMs]: readonly [number, number],
  result: number | null,
): ObservedOperation {
  const [client = "0", type = "claim"] = text.split(" ");
  return {
    client: Number(client),
    type: type as ObservedOperation["type"],
    startMs,
    endMs,
    ttlMs: 1000,
    result,
  };
}

test.each<readonly [string, readonly ObservedOperation[]]>([
  [
    "one after the other",
    [operation("0 claim", [0, 1], 1), operation("0 release", [2, 3], 1), operation("1 claim", [4, 5], 2)],
  ],
  ["at once, one wins", [operation("0 claim", [0, 10], 1), operation("1 claim", [0, 10], null)]],
  [
    "a release that is slow to answer",
    [operation("0 claim", [0, 1], 1), operation("0 release", [2, 20], 1), operation("1 claim", [5, 6], 2)],
  ],
  [
    "after its time",
    [
      operation("0 claim", [0, 1], 1),
      operation("1 claim", [1005, 1006], 2),
      operation("0 renew", [1007, 1008], null),
    ],
  ],
  [
    "by force",
    [operation("0 claim", [0, 1], 1), operation("2 force", [2, 3], 1), operation("0 release", [4, 5], null)],
  ],
  [
    "the end frees",
    [operation("0 claim", [0, 1], 1), operation("0 end", [2, 3], null), operation("1 claim", [4, 5], 2)],
  ],
])("linearisable: %s", (_name, history) => {
  expect(findBreach(history)).toBe(null);
});

test.each<readonly [string, readonly ObservedOperation[]]>([
  ["two winners", [operation("0 claim", [0, 10], 1), operation("1 claim", [0, 10], 2)]],
  ["no winner", [operation("0 claim", [0, 10], null), operation("1 claim", [0, 10], null)]],
  [
    "granted before it was released",
    [operation("0 claim", [0, 1], 1), operation("1 claim", [2, 3], 2), operation("0 release", [4, 5], 1)],
  ],
  ["expired too early", [operation("0 claim", [0, 1], 1), operation("1 claim", [500, 501], 2)]],
  ["held too long", [operation("0 claim", [0, 1], 1), operation("1 claim", [1500, 1501], null)]],
  [
    "an old fence",
    [operation("0 claim", [0, 1], 2), operation("0 release", [2, 3], 1), operation("1 claim", [4, 5], 1)],
  ],
  [
    "a renewal after the end",
    [operation("0 claim", [0, 1], 1), operation("0 end", [2, 3], null), operation("0 renew", [4, 5], 1)],
  ],
])("not linearisable: %s", (_name, history) => {
  expect(findBreach(history)).not.toBe(null);
});
