import { InvalidArgumentError } from "commander";
import { expect, test } from "vitest";
import { parseDependency, parsePriority, parseWhen } from "./bd-arguments.ts";
import { readActor, toPrefix } from "./open-board.ts";
import { parseIssueLines } from "./parse-issue-lines.ts";

test.each([
  ["web-3", { on: "web-3", type: "blocks" }],
  ["blocked-by:web-3", { on: "web-3", type: "blocked-by", isBlocking: false }],
  ["depends-on:web-3", { on: "web-3", type: "depends-on", isBlocking: false }],
  ["blocks:web-3", { on: "web-3", type: "blocks", isBlocking: true }],
  ["discovered-from:web-3.1", { on: "web-3.1", type: "discovered-from", isBlocking: false }],
  ["external:ops:db", { on: "external:ops:db", type: "blocks" }],
  ["bd:web-12", { on: "bd:web-12", type: "blocks" }],
])("the dependency %s is read as bd reads it", (text, expected) => {
  expect(parseDependency(text)).toEqual(expected);
});

test("a priority is a number or a P and a number", () => {
  expect([parsePriority("0"), parsePriority("P4"), parsePriority(" p2 ")]).toEqual([0, 4, 2]);
  for (const wrong of ["5", "-1", "high", ""])
    expect(() => parsePriority(wrong)).toThrow(InvalidArgumentError);
});

test.each([
  ["2026-01-31", "2026-01-31T00:00:00.000Z"],
  ["2026-01-31T10:00:00+02:00", "2026-01-31T08:00:00.000Z"],
  ["+6h", "2026-01-01T06:00:00.000Z"],
  ["+2w", "2026-01-15T00:00:00.000Z"],
  ["tomorrow", "2026-01-02T00:00:00.000Z"],
  ["", ""],
])("the time %s is %s", (text, expected) => {
  expect(parseWhen(text, Date.parse("2026-01-01T00:00:00Z"))).toBe(expected);
});

test("a prefix is a word that ids can begin with", () => {
  expect(["Web", "my app!", "2fast", "---", "ünder"].map((name) => toPrefix(name))).toEqual([
    "web",
    "my-app",
    "bd-2fast",
    "bd",
    "nder",
  ]);
});

test("who acts is said by the flag, else by the environment", () => {
  const env = { BD_ACTOR: " ", BEADS_ACTOR: "bea", CANOPY_SESSION_ID: "ses_1" };
  expect([readActor("ada", env), readActor(undefined, env), readActor("", {})]).toEqual(["ada", "bea", null]);
});

test("lines, an array, an empty file and lines that are no issues are read; what is broken is named", () => {
  const lines = '\uFEFF{"id":"a-1"}\n\n{"_type":"memory","id":"m"}\n{"_type":"issue","id":"a-2"}\n';
  expect(parseIssueLines(lines, "f")).toEqual({
    issues: [{ id: "a-1" }, { _type: "issue", id: "a-2" }],
    otherCount: 1,
  });
  expect(parseIssueLines('[{"id":"a-1"}]', "f").issues).toEqual([{ id: "a-1" }]);
  expect(parseIssueLines("", "f").issues).toEqual([]);
  expect(() => parseIssueLines('{"id":"a"}\n<<<<<<< HEAD\n', "f")).toThrow("f:2: a merge conflict");
  expect(() => parseIssueLines('{"id":"a"}\n[1]\n', "f")).toThrow("f:2: not a JSON object");
});
