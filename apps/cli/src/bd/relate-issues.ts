import type { BoardIssue, Json } from "@canopy/protocol";
import { readLinks, readMember } from "./filter-issues.ts";
import type { IssueDetail } from "./format-issues.ts";

function brief(issue: BoardIssue): Record<string, Json> {
  const names = [
    "id",
    "title",
    "status",
    "priority",
    "issue_type",
    "assignee",
    "created_at",
    "updated_at",
    "closed_at",
  ];
  return Object.fromEntries(
    names.flatMap((name): [string, Json][] => {
      const value = issue.record[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

function text(value: Json | undefined): string {
  return typeof value === "string" ? value : "";
}

/** An issue with the issues that it is linked to, either way, as `bd show` has them: what is not here by its id only. */
export function relateIssue(issue: BoardIssue, all: readonly BoardIssue[]): IssueDetail {
  const byId = new Map(all.map((other) => [readMember(other, "id"), other]));
  const id = readMember(issue, "id");
  const dependencies = readLinks(issue).map((link) => {
    const target = text(link["depends_on_id"]);
    const other = byId.get(target);
    return { ...(other === undefined ? { id: target } : brief(other)), dependency_type: text(link["type"]) };
  });
  const dependents = all.flatMap((other) =>
    readLinks(other)
      .filter((link) => link["depends_on_id"] === id)
      .map((link) => ({ ...brief(other), dependency_type: text(link["type"]) })),
  );
  return { issue, dependencies, dependents };
}

/** One place in a tree of dependencies. */
export interface TreeNode {
  readonly issue: BoardIssue | null;
  readonly id: string;
  readonly depth: number;
  readonly parentId: string | null;
  /** Shown before, or too deep: what is below is left out. */
  readonly isCut: boolean;
  readonly linkType: string | null;
}

/** The tree of what an issue depends on (`down`) or what depends on it (`up`), parents before children. */
export function buildTree(
  all: readonly BoardIssue[],
  root: string,
  direction: "down" | "up",
  maxDepth: number,
): TreeNode[] {
  const byId = new Map(all.map((issue) => [readMember(issue, "id"), issue]));
  const edges = new Map<string, { readonly id: string; readonly type: string }[]>();
  for (const issue of all) {
    for (const link of readLinks(issue)) {
      const [below, above] = [text(link["depends_on_id"]), readMember(issue, "id")];
      const [from, to] = direction === "down" ? [above, below] : [below, above];
      edges.set(from, [...(edges.get(from) ?? []), { id: to, type: text(link["type"]) }]);
    }
  }
  const nodes: TreeNode[] = [];
  const seen = new Set<string>();
  const visit = (id: string, depth: number, parentId: string | null, linkType: string | null): void => {
    const next = edges.get(id) ?? [];
    const isCut = next.length > 0 && (seen.has(id) || depth >= maxDepth);
    nodes.push({ issue: byId.get(id) ?? null, id, depth, parentId, isCut, linkType });
    if (isCut || seen.has(id)) return;
    seen.add(id);
    for (const edge of next) visit(edge.id, depth + 1, id, edge.type);
  };
  visit(root, 0, null, null);
  return nodes;
}

/** A node as `bd dep tree --json` has it. */
export function treeNodeToJson(node: TreeNode): Record<string, Json> {
  return {
    ...(node.issue === null ? { id: node.id } : brief(node.issue)),
    depth: node.depth,
    ...(node.parentId === null ? {} : { parent_id: node.parentId }),
    ...(node.linkType === null ? {} : { dependency_type: node.linkType }),
    truncated: node.isCut,
  };
}

const HOLDING: ReadonlySet<string> = new Set(["blocks", "parent-child"]);

/** Rings of issues that hold one another back, each once, from its first id. Only links that were imported make any. */
export function findRings(all: readonly BoardIssue[]): string[][] {
  const next = new Map(
    all.map((issue) => [
      readMember(issue, "id"),
      readLinks(issue)
        .filter((link) => HOLDING.has(text(link["type"])))
        .map((link) => text(link["depends_on_id"])),
    ]),
  );
  const rings = new Map<string, string[]>();
  const done = new Set<string>();
  const visit = (id: string, path: readonly string[]): void => {
    const start = path.indexOf(id);
    if (start >= 0) {
      const ring = path.slice(start);
      const first = ring.indexOf(ring.toSorted()[0] ?? "");
      const turned = [...ring.slice(first), ...ring.slice(0, first)];
      rings.set(turned.join(" "), turned);
      return;
    }
    if (done.has(id)) return;
    for (const other of next.get(id) ?? []) visit(other, [...path, id]);
    done.add(id);
  };
  for (const id of next.keys()) visit(id, []);
  return [...rings.values()];
}
