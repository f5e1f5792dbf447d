import type { Board, BoardIssue, Comment, Dependency, IssueExtras, Json, Task } from "@canopy/protocol";
import type { Sql } from "../kernel/sql.ts";
import { readNumber, readText } from "../kernel/sql.ts";
import { selectComments, selectDependencies, selectTasks } from "../tasks/select-tasks.ts";
import { issueIdOf, readDeferral, selectAllExtras, selectPrefix } from "./board-rows.ts";
import { UNNAMED_HOLDER } from "./emit-issue.ts";
import { showIssueStatus } from "./issue-status.ts";
import { formatIssueTime } from "./issue-time.ts";

/** Which issues to answer, and whether with all their remarks. Absent fields do not restrict. */
export interface BoardQuery {
  readonly statuses?: readonly string[];
  readonly taskIds?: ReadonlySet<string>;
  /** Only those that can be begun. */
  readonly isReady?: boolean;
  readonly withComments?: boolean;
}

interface BoardView {
  readonly sql: Sql;
  readonly prefix: string | null;
  readonly nowMs: number;
  readonly tasks: ReadonlyMap<string, Task>;
  readonly extras: ReadonlyMap<string, IssueExtras>;
  readonly dependencies: ReadonlyMap<string, readonly Dependency[]>;
  readonly dependentCounts: ReadonlyMap<string, number>;
  readonly commentCounts: ReadonlyMap<string, number>;
  readonly blockers: Map<string, ReadonlySet<string>>;
}

function idOf(view: BoardView, task: Task): string {
  return issueIdOf(task, view.extras.get(task.taskId), view.prefix);
}

/** Open tasks that one waits for, its own and those of what it is a part of. */
function findBlockers(view: BoardView, taskId: string): ReadonlySet<string> {
  const known = view.blockers.get(taskId);
  if (known !== undefined) return known;
  const found = new Set<string>();
  view.blockers.set(taskId, found);
  for (const { dependsOnId, kind } of view.dependencies.get(taskId) ?? []) {
    if (kind === "blocks" && view.tasks.get(dependsOnId)?.status !== "closed") found.add(dependsOnId);
    if (kind === "parent-child") for (const above of findBlockers(view, dependsOnId)) found.add(above);
  }
  return found;
}

/** Members in one order, whatever way a link came in, so that two exports of the same are the same text. */
function orderLink(link: Readonly<Record<string, Json | undefined>>): Record<string, Json> {
  const { issue_id: issueId, depends_on_id: on, type, created_at: at, created_by: by, ...rest } = link;
  const members = { issue_id: issueId, depends_on_id: on, type, created_at: at, created_by: by, ...rest };
  return Object.fromEntries(
    Object.entries(members).filter((entry): entry is [string, Json] => entry[1] !== undefined),
  );
}

function listLinks(view: BoardView, task: Task): Json[] {
  const extras = view.extras.get(task.taskId);
  const own = (view.dependencies.get(task.taskId) ?? []).flatMap(({ dependsOnId, kind }): Json[] => {
    const target = view.tasks.get(dependsOnId);
    if (target === undefined) return [];
    const kept = extras?.links.find(({ on, link }) => on === dependsOnId && link.type === kind)?.link;
    const plain = { created_at: new Date(task.createdAtMs).toISOString(), created_by: task.createdBy };
    const ends = { issue_id: idOf(view, task), depends_on_id: idOf(view, target), type: kind };
    return [orderLink({ ...(kept ?? plain), ...ends })];
  });
  const foreign = (extras?.links ?? [])
    .filter(({ on }) => on === null)
    .map(({ link }) => orderLink({ ...link }));
  return [...own, ...foreign];
}

function listComments(view: BoardView, task: Task): Json[] {
  const kept = view.extras.get(task.taskId)?.comments;
  return selectComments(view.sql, task.taskId).map(({ commentId, author, text, atMs }: Comment) => ({
    id: kept?.[commentId]?.id ?? commentId,
    issue_id: idOf(view, task),
    author,
    text,
    created_at: formatIssueTime(atMs, kept?.[commentId]?.createdAt ?? undefined),
  }));
}

function showAssignee(task: Task): string | null {
  if (task.assignee !== null || task.claim === null) return task.assignee;
  return task.claim.holder === UNNAMED_HOLDER ? null : task.claim.holder;
}

function showReference(view: BoardView, task: Task): string | null {
  const reference = task.externalReference;
  return reference === `bd:${idOf(view, task)}` ? null : reference;
}

function isFilled(value: Json | undefined): value is Json {
  const isEmptyList = Array.isArray(value) && value.length === 0;
  return value !== undefined && value !== null && value !== "" && !isEmptyList;
}

function toRecord(view: BoardView, task: Task, withComments: boolean): Record<string, Json> {
  const extras = view.extras.get(task.taskId);
  const times = extras?.times ?? {};
  const members: Record<string, Json | undefined> = {
    id: idOf(view, task),
    title: task.title,
    description: task.description,
    status: showIssueStatus(task, extras),
    priority: task.priority,
    issue_type: task.taskType,
    assignee: showAssignee(task),
    created_at: formatIssueTime(task.createdAtMs, times["created_at"]),
    created_by: task.createdBy,
    updated_at: formatIssueTime(task.updatedAtMs, times["updated_at"]),
    closed_at: task.closedAtMs === null ? null : formatIssueTime(task.closedAtMs, times["closed_at"]),
    close_reason: task.closeReason,
    external_ref: showReference(view, task),
    labels: task.labels,
    dependencies: listLinks(view, task),
    comments: withComments ? listComments(view, task) : null,
    canopy_timeout_ms: task.timeoutMs,
    canopy_agent: task.agent,
    canopy_model: task.model,
    ...extras?.fields,
  };
  return Object.fromEntries(
    Object.entries(members).filter((entry): entry is [string, Json] => isFilled(entry[1])),
  );
}

function isReady(view: BoardView, task: Task): boolean {
  if (task.status !== "open" || task.claim !== null || findBlockers(view, task.taskId).size > 0) return false;
  return (readDeferral(view.extras.get(task.taskId)) ?? 0) <= view.nowMs;
}

function toIssue(view: BoardView, task: Task, withComments: boolean): BoardIssue {
  const parent = (view.dependencies.get(task.taskId) ?? []).find(({ kind }) => kind === "parent-child");
  const above = parent === undefined ? undefined : view.tasks.get(parent.dependsOnId);
  const name = (id: string): string[] => {
    const other = view.tasks.get(id);
    return other === undefined ? [] : [idOf(view, other)];
  };
  return {
    record: {
      ...toRecord(view, task, withComments),
      dependency_count: view.dependencies.get(task.taskId)?.length ?? 0,
      dependent_count: view.dependentCounts.get(task.taskId) ?? 0,
      comment_count: view.commentCounts.get(task.taskId) ?? 0,
    },
    isReady: isReady(view, task),
    blockedBy: task.status === "closed" ? [] : [...findBlockers(view, task.taskId)].flatMap(name),
    parent: above === undefined ? null : idOf(view, above),
  };
}

function openView(sql: Sql, nowMs: number): BoardView {
  const dependencies = new Map<string, Dependency[]>();
  const dependentCounts = new Map<string, number>();
  for (const dependency of selectDependencies(sql)) {
    const { taskId, dependsOnId } = dependency;
    dependencies.set(taskId, [...(dependencies.get(taskId) ?? []), dependency]);
    dependentCounts.set(dependsOnId, (dependentCounts.get(dependsOnId) ?? 0) + 1);
  }
  const counts = sql.exec("SELECT task_id, COUNT(*) AS count FROM comments GROUP BY task_id");
  return {
    sql,
    prefix: selectPrefix(sql),
    nowMs,
    tasks: new Map(selectTasks(sql).map((task) => [task.taskId, task])),
    extras: selectAllExtras(sql),
    dependencies,
    dependentCounts,
    commentCounts: new Map(counts.map((row) => [readText(row, "task_id"), readNumber(row, "count")])),
    blockers: new Map(),
  };
}

/** The issues of a board by number, as `bd` would print them. */
export function selectBoard(sql: Sql, query: BoardQuery, nowMs: number): Board {
  const view = openView(sql, nowMs);
  const wanted = query.statuses === undefined ? null : new Set(query.statuses);
  const issues: BoardIssue[] = [];
  for (const task of view.tasks.values()) {
    if (query.taskIds !== undefined && !query.taskIds.has(task.taskId)) continue;
    const status = showIssueStatus(task, view.extras.get(task.taskId));
    if (wanted !== null && !wanted.has(status)) continue;
    if (query.isReady === true && !isReady(view, task)) continue;
    issues.push(toIssue(view, task, query.withComments === true));
  }
  return { prefix: view.prefix, issues };
}
