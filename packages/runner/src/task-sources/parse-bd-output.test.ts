import * as fc from "fast-check";
import { expect, test } from "vitest";
import { parseBdError, parseBdOutput, parseCreatedId, parseDuration, parseIssue } from "./parse-bd-output.ts";
import type { SourceTask } from "./task-source.ts";

const PLAIN: SourceTask = {
  id: "bd-1",
  title: "One",
  description: "",
  type: "task",
  priority: 2,
  state: "open",
  labels: [],
  assignee: null,
  notes: "",
  dependencies: [],
  timeoutMs: null,
  externalReference: null,
  updatedAtMs: null,
};

const ONE = { id: "bd-1", title: "One" };
const TWO = { id: "bd-2", title: "Two" };

/** Every shape that a release of bd or br prints for the same two tasks, or for none. */
const SHAPES: readonly (readonly [string, string, readonly string[]])[] = [
  ["an array", JSON.stringify([ONE, TWO]), ["bd-1", "bd-2"]],
  ["an indented array", JSON.stringify([ONE, TWO], null, 2), ["bd-1", "bd-2"]],
  ["one object", JSON.stringify(ONE), ["bd-1"]],
  ["an indented object", JSON.stringify(ONE, null, 2), ["bd-1"]],
  ["an envelope", JSON.stringify({ schema_version: 1, data: [ONE, TWO] }), ["bd-1", "bd-2"]],
  ["an envelope around one object", JSON.stringify({ schema_version: 1, data: ONE }), ["bd-1"]],
  ["an object with an injected version", JSON.stringify({ ...ONE, schema_version: 1 }), ["bd-1"]],
  [
    "br's list",
    JSON.stringify({ issues: [ONE, TWO], total: 2, limit: 50, offset: 0, has_more: false }),
    ["bd-1", "bd-2"],
  ],
  ["an envelope around br's list", JSON.stringify({ data: { issues: [ONE] } }), ["bd-1"]],
  ["JSON lines", `${JSON.stringify(ONE)}\n${JSON.stringify(TWO)}\n`, ["bd-1", "bd-2"]],
  ["words after the JSON", `${JSON.stringify([ONE])}\nTip: a new release is out\n`, ["bd-1"]],
  [
    "words before an array on several lines",
    `[info] ok\n[\n${JSON.stringify(ONE)},\n${JSON.stringify(TWO)}\n]`,
    ["bd-1", "bd-2"],
  ],
  ["words before the JSON", `Warning: daemon is old\n${JSON.stringify([ONE])}`, ["bd-1"]],
  ["nothing", "", []],
  ["white space", " \n\n", []],
  ["an empty array", "[]\n", []],
  ["null", "null", []],
  ["an empty envelope", JSON.stringify({ schema_version: 1, data: [] }), []],
  ["an envelope around null", JSON.stringify({ schema_version: 1, data: null }), []],
  ["words for an empty list", "\n✨ No ready work found (all issues have blocking dependencies)\n", []],
];

test.each(SHAPES)("reads %s", (_name, output, ids) => {
  const parsed = parseBdOutput(output);
  expect(parsed?.tasks.map((task) => task.id)).toEqual(ids);
  expect([parsed?.unreadableCount, parsed?.hasMore]).toEqual([0, false]);
});

test.each([
  ["\n📋 Ready work (1 issue with no blockers):\n\n1. [P1] bd-a3f: Fix the parser\n"],
  ["bd-12 [P2] [task] open - Fix it\n"],
  ["○ bd-a3f8.1 [● P2] Fix it\n"],
])("a list for people is not taken for an empty one: %j", (output) => {
  expect(parseBdOutput(output)).toBeNull();
});

test("another page is noticed, entries without an id are counted, the rest is kept", () => {
  expect(
    parseBdOutput(JSON.stringify({ issues: [ONE, { title: "no id" }, null, 7, { id: 3 }], has_more: true })),
  ).toEqual({
    tasks: [PLAIN],
    unreadableCount: 4,
    hasMore: true,
  });
});

test("a full issue of real bd is read", () => {
  const issue = {
    id: "bd-a3f",
    title: "Fix",
    description: "why",
    notes: "n",
    status: "in_progress",
    priority: 0,
    issue_type: "bug",
    assignee: "ada",
    labels: ["x"],
    updated_at: "2026-05-01T10:00:00Z",
    external_ref: "gh-9",
    dependencies: [
      { issue_id: "bd-a3f", depends_on_id: "bd-1", type: "blocks", created_at: "x" },
      { issue_id: "bd-a3f", depends_on_id: "bd-2", type: "parent-child" },
      { issue_id: "bd-a3f", depends_on_id: "bd-3", type: "some-new-kind" },
    ],
    timeout: 1_800_000_000_000,
  };
  expect(parseIssue(issue)).toEqual({
    id: "bd-a3f",
    title: "Fix",
    description: "why",
    notes: "n",
    state: "in_progress",
    priority: 0,
    type: "bug",
    assignee: "ada",
    labels: ["x"],
    updatedAtMs: Date.UTC(2026, 4, 1, 10),
    externalReference: "gh-9",
    dependencies: [
      { id: "bd-1", kind: "blocks" },
      { id: "bd-2", kind: "parent-child" },
      { id: "bd-3", kind: "related" },
    ],
    timeoutMs: 1_800_000,
  });
});

const FIELDS: readonly (readonly [string, object, Partial<SourceTask>])[] = [
  ["type in the old key", { type: "bug" }, { type: "bug" }],
  ["both type keys", { issue_type: "epic", type: "x" }, { type: "epic" }],
  ["dependencies as strings", { dependencies: ["bd-7"] }, { dependencies: [{ id: "bd-7", kind: "blocks" }] }],
  [
    "dependencies as whole issues",
    {
      dependencies: [
        { id: "bd-7", type: "bug", dependency_type: "discovered-from" },
        { id: "bd-8", type: "bug" },
      ],
    },
    {
      dependencies: [
        { id: "bd-7", kind: "discovered-from" },
        { id: "bd-8", kind: "blocks" },
      ],
    },
  ],
  [
    "blockers and blocked_by",
    { blockers: ["bd-7"], blocked_by: [{ id: "bd-8" }, "bd-7"] },
    {
      dependencies: [
        { id: "bd-7", kind: "blocks" },
        { id: "bd-8", kind: "blocks" },
      ],
    },
  ],
  ["a parent", { parent: "bd-9" }, { dependencies: [{ id: "bd-9", kind: "parent-child" }] }],
  ["itself as dependency", { dependencies: ["bd-1", null, 7, {}] }, {}],
  ["a timeout in words", { timeout: "1h30m" }, { timeoutMs: 5_400_000 }],
  ["a timeout that is no time", { timeout: "soon" }, {}],
  ["a priority in words", { priority: "P1" }, { priority: 1 }],
  ["a priority out of range", { priority: 9 }, { priority: 4 }],
  ["an unknown status", { status: "hooked" }, { state: "other" }],
  ["a deleted issue", { status: "tombstone" }, { state: "closed" }],
  [
    "fields of the wrong kind",
    { title: 7, labels: "x", status: {}, assignee: [], priority: {}, updated_at: 3 },
    { title: "bd-1" },
  ],
];

test.each(FIELDS)("reads %s", (_name, fields, expected) => {
  expect(parseIssue({ ...ONE, ...fields })).toEqual({ ...PLAIN, ...expected });
});

test.each([
  ["45s", 45_000],
  ["2h45m30.5s", 9_930_500],
  ["1500ms", 1_500],
  ["1d", 86_400_000],
  ["", null],
  ["10", null],
  ["-5m", null],
  ["5 minutes", null],
  [60_000_000_000, 60_000],
  [0, null],
] as const)("the duration %j is %j ms", (value, expected) => {
  expect(parseDuration(value)).toBe(expected);
});

test.each([
  [
    '{"error":"issue not found","code":"NOT_FOUND","schema_version":1}',
    "",
    { message: "issue not found", code: "NOT_FOUND" },
  ],
  ["", '{"error":{"message":"locked"}}', { message: "locked", code: null }],
  ["Error: unknown flag: --claim\n", "", { message: "Error: unknown flag: --claim", code: null }],
  ["", "only here", { message: "only here", code: null }],
  ["", "", { message: "", code: null }],
])("the error in %j / %j is found", (stderr, stdout, expected) => {
  expect(parseBdError(stderr, stdout)).toEqual(expected);
});

test.each([
  ['{"id":"bd-a3f","title":"x"}', "bd-a3f"],
  ['[{"id":"bd-a3f"}]', "bd-a3f"],
  ["✓ Created issue: bd-a3f.1\n  Title: x", "bd-a3f.1"],
  ["done", null],
])("the id in %j is %j", (output, id) => {
  expect(parseCreatedId(output)).toBe(id);
});

test("any output is survived", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.array(fc.json()).map((lines) => lines.join("\n")),
      ),
      (output) => {
        const parsed = parseBdOutput(output);
        expect(parsed === null || Array.isArray(parsed.tasks)).toBe(true);
      },
    ),
  );
});
