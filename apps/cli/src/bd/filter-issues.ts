import type { BoardIssue, Json } from "@canopy/protocol";

/** Which issues are wanted. Absent fields do not restrict. */
export interface IssueFilter {
  readonly statuses?: readonly string[];
  readonly type?: string;
  /** All of them. */
  readonly labels?: readonly string[];
  /** One of them at least. */
  readonly labelsAny?: readonly string[];
  readonly assignee?: string;
  readonly isUnassigned?: boolean;
  readonly priority?: number;
  readonly priorityMin?: number;
  readonly priorityMax?: number;
  readonly ids?: readonly string[];
  readonly titleContains?: string;
  readonly descriptionContains?: string;
  /** In id, title, description or notes. */
  readonly text?: string;
}

/** How `ready` sorts: recent ones by priority and older ones by age, by priority, or by age. */
export type SortPolicy = "hybrid" | "priority" | "oldest";

const RECENT_MS = 172_800_000;

/** A member of a record as text; empty when there is none. */
export function readMember(issue: BoardIssue, name: string): string {
  const value = issue.record[name];
  return typeof value === "string" ? value : "";
}

/** Labels of an issue. */
export function readLabels(issue: BoardIssue): readonly string[] {
  const { labels } = issue.record;
  return Array.isArray(labels) ? labels.filter((label): label is string => typeof label === "string") : [];
}

/** Priority of an issue: 0 is critical, 4 some day. */
export function readPriority(issue: BoardIssue): number {
  const { priority } = issue.record;
  return typeof priority === "number" ? priority : 2;
}

/** Links of an issue to others. */
export function readLinks(issue: BoardIssue): readonly Readonly<Record<string, Json>>[] {
  const { dependencies } = issue.record;
  if (!Array.isArray(dependencies)) return [];
  return dependencies.filter(
    (link): link is Record<string, Json> => typeof link === "object" && link !== null && !Array.isArray(link),
  );
}

function includesText(value: string, part: string | undefined): boolean {
  return part === undefined || value.toLowerCase().includes(part.toLowerCase());
}

function fitsText(issue: BoardIssue, filter: IssueFilter): boolean {
  const names = ["id", "title", "description", "notes"];
  return (
    includesText(readMember(issue, "title"), filter.titleContains) &&
    includesText(readMember(issue, "description"), filter.descriptionContains) &&
    names.some((name) => includesText(readMember(issue, name), filter.text))
  );
}

function fitsLabels(issue: BoardIssue, filter: IssueFilter): boolean {
  const labels = readLabels(issue);
  return (
    (filter.labels ?? []).every((label) => labels.includes(label)) &&
    (filter.labelsAny === undefined || filter.labelsAny.some((label) => labels.includes(label)))
  );
}

function fitsMembers(issue: BoardIssue, filter: IssueFilter): boolean {
  const assignee = readMember(issue, "assignee");
  const priority = readPriority(issue);
  return [
    filter.statuses === undefined || filter.statuses.includes(readMember(issue, "status")),
    filter.type === undefined || filter.type === readMember(issue, "issue_type"),
    filter.assignee === undefined || filter.assignee === assignee,
    filter.isUnassigned !== true || assignee === "",
    filter.priority === undefined || filter.priority === priority,
    priority >= (filter.priorityMin ?? 0) && priority <= (filter.priorityMax ?? 4),
    filter.ids === undefined || filter.ids.includes(readMember(issue, "id")),
  ].every((isFit) => isFit);
}

/** The issues that fit all that a filter says, in their order. */
export function filterIssues(issues: readonly BoardIssue[], filter: IssueFilter): BoardIssue[] {
  return issues.filter(
    (issue) => fitsMembers(issue, filter) && fitsLabels(issue, filter) && fitsText(issue, filter),
  );
}

/** Parts of an issue: its children, or with `isDeep` theirs too. */
export function selectParts(issues: readonly BoardIssue[], parent: string, isDeep: boolean): BoardIssue[] {
  const above = new Map(issues.map((issue) => [readMember(issue, "id"), issue.parent]));
  return issues.filter((issue) => {
    const seen = new Set<string>();
    for (let next = issue.parent; next !== null && !seen.has(next); next = above.get(next) ?? null) {
      if (next === parent) return true;
      if (!isDeep) return false;
      seen.add(next);
    }
    return false;
  });
}

/** Sorts ready issues; what is equal keeps the order of creation. */
export function sortReady(issues: readonly BoardIssue[], policy: SortPolicy, nowMs: number): BoardIssue[] {
  const key = (issue: BoardIssue): readonly number[] => {
    const createdAtMs = Date.parse(readMember(issue, "created_at"));
    if (policy === "oldest") return [createdAtMs];
    if (policy === "priority") return [readPriority(issue), createdAtMs];
    return nowMs - createdAtMs < RECENT_MS ? [0, readPriority(issue), createdAtMs] : [1, createdAtMs];
  };
  return [...issues].sort((left, right) => compareKeys(key(left), key(right)));
}

function compareKeys(left: readonly number[], right: readonly number[]): number {
  for (const [index, value] of left.entries()) {
    const difference = value - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Sorts a list by a member: the most pressing first for priority, the newest first for times, else by text. */
export function sortBy(issues: readonly BoardIssue[], member: string): BoardIssue[] {
  const names: Readonly<Record<string, string>> = {
    created: "created_at",
    updated: "updated_at",
    closed: "closed_at",
    type: "issue_type",
  };
  if (member === "priority")
    return [...issues].sort((left, right) => readPriority(left) - readPriority(right));
  const name = names[member] ?? member;
  if (name.endsWith("_at")) {
    const time = (issue: BoardIssue): number => Date.parse(readMember(issue, name)) || 0;
    return [...issues].sort((left, right) => time(right) - time(left));
  }
  return [...issues].sort((left, right) =>
    readMember(left, name).localeCompare(readMember(right, name), "en", { numeric: true }),
  );
}
