import type { BoardIssue } from "@canopy/protocol";
import { expect, test } from "vitest";
import { buildTree, findRings, relateIssue, treeNodeToJson } from "./relate-issues.ts";

function issue(id: string, on: readonly string[] = [], type = "blocks"): BoardIssue {
  const dependencies = on.map((target) => ({ issue_id: id, depends_on_id: target, type }));
  return {
    record: { id, title: id.toUpperCase(), status: "open", dependencies },
    isReady: false,
    blockedBy: [],
    parent: null,
  };
}

const ISSUES = [
  issue("a", ["b", "c"]),
  issue("b", ["d"]),
  issue("c", ["d"]),
  issue("d", ["external:x"], "related"),
];

test("an issue is shown with what it is linked to, either way, also what is elsewhere", () => {
  const detail = relateIssue(ISSUES[3]!, ISSUES);
  expect([detail.dependencies, detail.dependents]).toEqual([
    [{ id: "external:x", dependency_type: "related" }],
    [
      { id: "b", title: "B", status: "open", dependency_type: "blocks" },
      { id: "c", title: "C", status: "open", dependency_type: "blocks" },
    ],
  ]);
});

test("a tree shows what was shown before once, and cuts what is too deep", () => {
  const draw = (depth: number, direction: "down" | "up" = "down", root = "a"): string[] =>
    buildTree(ISSUES, root, direction, depth).map(
      (node) => `${node.depth}${node.id}${node.isCut ? "…" : ""}`,
    );
  expect(draw(50)).toEqual(["0a", "1b", "2d", "3external:x", "1c", "2d…"]);
  expect(draw(1)).toEqual(["0a", "1b…", "1c…"]);
  expect(draw(50, "up", "d")).toEqual(["0d", "1b", "2a", "1c", "2a"]);
  expect(buildTree(ISSUES, "d", "down", 5).map((node) => treeNodeToJson(node))).toEqual([
    { id: "d", title: "D", status: "open", depth: 0, truncated: false },
    { id: "external:x", depth: 1, parent_id: "d", dependency_type: "related", truncated: false },
  ]);
});

test("rings are found once, whatever they are entered by", () => {
  const ring = [issue("c", ["a"]), issue("a", ["b"]), issue("b", ["c", "a"]), issue("z", ["c"])];
  expect(findRings(ring)).toEqual([
    ["a", "b", "c"],
    ["a", "b"],
  ]);
  expect(findRings(ISSUES)).toEqual([]);
});
