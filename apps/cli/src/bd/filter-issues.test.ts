import type { BoardIssue, Json } from "@canopy/protocol";
import { expect, test } from "vitest";
import type { IssueFilter } from "./filter-issues.ts";
import { filterIssues, readMember, selectParts, sortBy, sortReady } from "./filter-issues.ts";

function issue(id: string, record: Record<string, Json> = {}, parent: string | null = null): BoardIssue {
  const common = {
    id,
    title: id,
    status: "open",
    priority: 2,
    issue_type: "task",
    created_at: "2026-01-01T00:00:00Z",
  };
  return { record: { ...common, ...record }, isReady: true, blockedBy: [], parent };
}

function ids(issues: readonly BoardIssue[]): string[] {
  return issues.map((each) => readMember(each, "id"));
}

const ISSUES = [
  issue("a", { labels: ["x", "y"], assignee: "ada", priority: 0 }),
  issue("b", { labels: ["y"], description: "The Parser", issue_type: "bug" }),
  issue("c", { status: "closed", notes: "parser too", priority: 4 }),
];

const TABLE: readonly (readonly [IssueFilter, string[]])[] = [
  [{}, ["a", "b", "c"]],
  [{ statuses: ["closed"] }, ["c"]],
  [{ type: "bug" }, ["b"]],
  [{ labels: ["x", "y"] }, ["a"]],
  [{ labelsAny: ["x", "y"] }, ["a", "b"]],
  [{ assignee: "ada" }, ["a"]],
  [{ isUnassigned: true }, ["b", "c"]],
  [{ priority: 0 }, ["a"]],
  [{ priorityMin: 1, priorityMax: 3 }, ["b"]],
  [{ ids: ["c", "a"] }, ["a", "c"]],
  [{ text: "PARSER" }, ["b", "c"]],
  [{ descriptionContains: "parser" }, ["b"]],
  [{ labels: ["y"], isUnassigned: true }, ["b"]],
];

test.each(TABLE)("the filter %j leaves %j", (filter, expected) => {
  expect(ids(filterIssues(ISSUES, filter))).toEqual(expected);
});

test("recent issues are sorted by priority, older ones by age, and they come after", () => {
  const now = Date.parse("2026-01-10T00:00:00Z");
  const at = (day: string): Record<string, Json> => ({ created_at: `2026-01-${day}T00:00:00Z` });
  const issues = [
    issue("old low", { ...at("01"), priority: 4 }),
    issue("old high", { ...at("02"), priority: 0 }),
    issue("new low", { ...at("09"), priority: 3 }),
    issue("new high", { ...at("09"), priority: 1 }),
  ];
  expect(ids(sortReady(issues, "hybrid", now))).toEqual(["new high", "new low", "old low", "old high"]);
  expect(ids(sortReady(issues, "priority", now))).toEqual(["old high", "new high", "new low", "old low"]);
  expect(ids(sortReady(issues, "oldest", now))).toEqual(["old low", "old high", "new low", "new high"]);
  expect(ids(sortBy(issues, "created"))).toEqual(["new low", "new high", "old high", "old low"]);
  expect(ids(sortBy([issue("w-10"), issue("w-9")], "id"))).toEqual(["w-9", "w-10"]);
});

test("parts are children, or theirs too", () => {
  const issues = [issue("a"), issue("a.1", {}, "a"), issue("a.1.1", {}, "a.1"), issue("b")];
  expect([ids(selectParts(issues, "a", false)), ids(selectParts(issues, "a", true))]).toEqual([
    ["a.1"],
    ["a.1", "a.1.1"],
  ]);
});
