import type { IssueLink, IssueRecord, ProjectCommand, ProjectEvent, Task } from "@canopy/protocol";
import type { DecideAnswer, DecideContext } from "../kernel/room-definition.ts";
import { accept } from "../kernel/room-definition.ts";
import { decideAddDependency } from "../tasks/decide-dependency.ts";
import { selectComments } from "../tasks/select-tasks.ts";
import { selectExtras, selectTaskByIssueId } from "./board-rows.ts";
import { emitExtras } from "./emit-issue.ts";
import { parseIssueTime } from "./issue-time.ts";
import { keepLink, readLinkKind } from "./link-issues.ts";
import { putIssue } from "./put-issue.ts";

type Context = DecideContext<ProjectEvent>;

interface Imported {
  readonly task: Task;
  readonly record: IssueRecord;
}

/** Remarks that are there already, by id or by author, time and words, are not doubled. */
function importComments(context: Context, { task, record }: Imported): boolean {
  const comments = record.comments ?? [];
  if (comments.length === 0) return false;
  const extras = selectExtras(context.sql, task.taskId);
  const known = new Set<string>();
  for (const comment of selectComments(context.sql, task.taskId)) {
    known.add(`id ${String(extras.comments[comment.commentId]?.id ?? comment.commentId)}`);
    known.add(`${comment.atMs} ${comment.author} ${comment.text}`);
  }
  const kept = { ...extras.comments };
  for (const { id = null, author, text, created_at: createdAt = null } of comments) {
    const atMs = parseIssueTime(createdAt) ?? context.nowMs;
    const by = author ?? context.actor.id;
    if ((id !== null && known.has(`id ${id}`)) || known.has(`${atMs} ${by} ${text}`)) continue;
    const commentId = context.newId("comment");
    context.emit({
      type: "task.commented",
      comment: { commentId, taskId: task.taskId, author: by, text, atMs },
    });
    kept[commentId] = { id, createdAt };
  }
  return emitExtras(context, { ...extras, comments: kept });
}

/** The links of a record, with the one to its parent when only that is said. */
function listLinks(record: IssueRecord): IssueLink[] {
  const links = [...(record.dependencies ?? [])];
  const parent: unknown = record["parent"];
  if (typeof parent !== "string" || parent === "") return links;
  if (links.some((link) => link.depends_on_id === parent)) return links;
  return [...links, { issue_id: record.id ?? "", depends_on_id: parent, type: "parent-child" }];
}

/** A link that cannot be a dependency here is kept, but holds nothing back. Answers why not. */
function importLink(context: Context, task: Task, given: IssueLink): string | null {
  const link = { ...given, type: given.type ?? "blocks" };
  const kind = readLinkKind(link.type);
  const target = selectTaskByIssueId(context.sql, link.depends_on_id);
  if (kind === null || target === undefined) {
    keepLink(context, task, null, link);
    return kind === null ? null : "no such issue";
  }
  const answer = decideAddDependency(context, task.taskId, target.taskId, kind);
  const isOurs = answer.type === "accepted";
  keepLink(context, task, isOurs ? target.taskId : null, link);
  return isOurs ? null : answer.message;
}

function importLinks(context: Context, { task, record }: Imported, skipped: string[]): boolean {
  const before = JSON.stringify(selectExtras(context.sql, task.taskId));
  for (const link of listLinks(record)) {
    const why = importLink(context, task, link);
    if (why !== null)
      skipped.push(
        `${record.id ?? record.title} -> ${link.depends_on_id} (${link.type ?? "blocks"}): ${why}`,
      );
  }
  return JSON.stringify(selectExtras(context.sql, task.taskId)) !== before;
}

/** Takes over many issues, all or nothing: one whose id is known is brought up to date, nothing is doubled. */
export function decideImportIssues(
  context: Context,
  command: Extract<ProjectCommand, { type: "issue.import" }>,
): DecideAnswer {
  const skipped: string[] = [];
  const created = new Set<string>();
  const changed = new Set<string>();
  const imported = command.issues.map((record): Imported => {
    const known = record.id === undefined ? undefined : selectTaskByIssueId(context.sql, record.id);
    const { task, isChanged } = putIssue(context, record, known);
    if (known === undefined) created.add(task.taskId);
    else if (isChanged) changed.add(task.taskId);
    return { task, record };
  });
  for (const each of imported) {
    const isLinked = importLinks(context, each, skipped);
    const isCommented = importComments(context, each);
    if ((isLinked || isCommented) && !created.has(each.task.taskId)) changed.add(each.task.taskId);
  }
  return accept({
    createdCount: created.size,
    updatedCount: changed.size,
    unchangedCount: new Set(imported.map(({ task }) => task.taskId)).size - created.size - changed.size,
    skipped,
  });
}
