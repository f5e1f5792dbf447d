import type { BoardIssue, Json } from "@canopy/protocol";
import { sanitizeLine, sanitizeText } from "../output/format.ts";
import { readLabels, readMember, readPriority } from "./filter-issues.ts";

/** An issue in a line, as `bd list` has it. */
export function formatIssueLine(issue: BoardIssue): string {
  const labels = readLabels(issue).map((label) => sanitizeLine(label));
  const assignee = sanitizeLine(readMember(issue, "assignee"));
  return [
    readMember(issue, "id"),
    `[P${readPriority(issue)}]`,
    `[${readMember(issue, "issue_type")}]`,
    readMember(issue, "status"),
    ...(assignee === "" ? [] : [`@${assignee}`]),
    ...(labels.length === 0 ? [] : [`[${labels.join(", ")}]`]),
    `- ${sanitizeLine(readMember(issue, "title"))}`,
  ].join(" ");
}

/** Issues, one in a line. */
export function formatIssueLines(issues: readonly BoardIssue[], nothing: string): string {
  return issues.length === 0 ? nothing : issues.map((issue) => formatIssueLine(issue)).join("\n");
}

type Related = Readonly<Record<string, Json>>;

/** An issue with everything that is known of it, and what it is linked to. */
export interface IssueDetail {
  readonly issue: BoardIssue;
  readonly dependencies: readonly Related[];
  readonly dependents: readonly Related[];
}

/** A text or number of a record in one line; empty for anything else. */
export function showWord(value: Json | undefined): string {
  return typeof value === "string" || typeof value === "number" ? sanitizeLine(String(value)) : "";
}

/** Remarks, one below the other. */
export function formatComments(comments: Json | undefined): string[] {
  if (!Array.isArray(comments)) return [];
  return comments.map((comment) => {
    const { author, created_at: at, text } = comment as Record<string, Json>;
    return `[${showWord(at)}] ${showWord(author)}: ${sanitizeText(typeof text === "string" ? text : "")}`;
  });
}

function formatRelated(heading: string, arrow: string, related: readonly Related[]): string[] {
  if (related.length === 0) return [];
  const lines = related.map(
    (each) =>
      `  ${arrow} ${showWord(each["id"])} (${showWord(each["dependency_type"])}, ${showWord(each["status"])}): ${showWord(each["title"])}`,
  );
  return ["", `${heading} (${related.length}):`, ...lines];
}

const SECTIONS = [
  ["description", "Description"],
  ["design", "Design"],
  ["acceptance_criteria", "Acceptance criteria"],
  ["notes", "Notes"],
] as const;

const FACTS = [
  ["status", "Status"],
  ["issue_type", "Type"],
  ["assignee", "Assignee"],
  ["external_ref", "External reference"],
  ["created_at", "Created"],
  ["updated_at", "Updated"],
  ["closed_at", "Closed"],
  ["close_reason", "Close reason"],
  ["due_at", "Due"],
  ["defer_until", "Deferred until"],
] as const;

/** An issue for people: members, texts, links and remarks. */
export function formatIssueDetail({ issue, dependencies, dependents }: IssueDetail): string {
  const { comments } = issue.record;
  const lines = [`${readMember(issue, "id")}: ${sanitizeLine(readMember(issue, "title"))}`];
  lines.push(`Priority: P${readPriority(issue)}`);
  for (const [name, heading] of FACTS) {
    const value = readMember(issue, name);
    if (value !== "") lines.push(`${heading}: ${sanitizeLine(value)}`);
  }
  const labels = readLabels(issue);
  if (labels.length > 0) lines.push(`Labels: ${labels.map((label) => sanitizeLine(label)).join(", ")}`);
  if (issue.blockedBy.length > 0) lines.push(`Blocked by: ${issue.blockedBy.join(", ")}`);
  for (const [name, heading] of SECTIONS) {
    const value = readMember(issue, name);
    if (value !== "") lines.push("", `${heading}:`, sanitizeText(value));
  }
  lines.push(
    ...formatRelated("Depends on", "->", dependencies),
    ...formatRelated("Needed by", "<-", dependents),
  );
  const remarks = formatComments(comments);
  if (remarks.length > 0)
    lines.push("", `Comments (${remarks.length}):`, ...remarks.map((remark) => `  ${remark}`));
  return lines.join("\n");
}
