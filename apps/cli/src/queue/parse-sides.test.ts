import { expect, test } from "vitest";
import { parseSide, parseSides } from "./parse-sides.ts";

test("paths take the side, or the one that they name; without paths all conflicted files take it", () => {
  expect([
    parseSides("ours", [], ["a", "b"]),
    parseSides("ours", ["a", "b=union"], ["a", "b"]),
    parseSides("theirs", ["x=ours", "y=z", "=base"], ["x=ours"]),
  ]).toEqual([
    { a: { take: "ours" }, b: { take: "ours" } },
    { a: { take: "ours" }, b: { take: "union" } },
    { "x=ours": { take: "theirs" }, "y=z": { take: "theirs" }, "=base": { take: "theirs" } },
  ]);
});

test("a side that is none is a usage error", () => {
  expect(() => parseSide("mine")).toThrow("no side 'mine'");
});
