import type { DependencyKind, IssueLink, ProjectEvent, Rejection, Task } from "@canopy/protocol";
import { dependencyKindSchema, reject } from "@canopy/protocol";
import type { DecideContext } from "../kernel/room-definition.ts";
import { decideAddDependency } from "../tasks/decide-dependency.ts";
import { resolveTask } from "../tasks/resolve-task.ts";
import { selectDependenciesOf } from "../tasks/select-tasks.ts";
import { issueIdOf, selectExtras, selectPrefix } from "./board-rows.ts";
import { emitExtras } from "./emit-issue.ts";

type Context = DecideContext<ProjectEvent>;

/** Words for kinds of link that mean one of ours. */
const ALIASES: Readonly<Record<string, DependencyKind>> = {
  "depends-on": "blocks",
  "blocked-by": "blocks",
  "relates-to": "related",
  parent: "parent-child",
};

/** What points to an issue of another tracker. */
const ELSEWHERE = /^external:/;

/** The kind of dependency that a kind of link is; null for one that is only kept. */
export function readLinkKind(type: string): DependencyKind | null {
  const parsed = dependencyKindSchema.safeParse(type);
  return parsed.success ? parsed.data : null;
}

/** The kind that somebody means who says it to us. */
export function readSpokenKind(type: string): string {
  return ALIASES[type] ?? type;
}

/** Keeps a link as the tracker had it; one to the same issue of the same kind is replaced. */
export function keepLink(context: Context, task: Task, on: Task["taskId"] | null, link: IssueLink): void {
  const extras = selectExtras(context.sql, task.taskId);
  const isSame = (other: { readonly link: IssueLink }): boolean =>
    other.link.depends_on_id === link.depends_on_id && other.link.type === link.type;
  const kept = { on, link };
  const links = extras.links.some(isSame)
    ? extras.links.map((other) => (isSame(other) ? kept : other))
    : [...extras.links, kept];
  emitExtras(context, { ...extras, links });
}

/** Links an issue to another: a dependency where the kind is one of ours, else a remark that holds nothing back. */
export function addLink(context: Context, task: Task, target: string, type: string): Rejection | null {
  const kindText = readSpokenKind(type);
  const resolved = resolveTask(context.sql, target);
  if (resolved.type === "rejection" && !ELSEWHERE.test(target)) return resolved;
  const other = resolved.type === "rejection" ? null : resolved.task;
  const kind = readLinkKind(kindText);
  if (kind === null && !/^[a-z][a-z-]{0,49}$/.test(kindText))
    return reject("command.invalid", `${JSON.stringify(type)} is no kind of link`);
  const isOurs = other !== null && kind !== null;
  if (isOurs) {
    const answer = decideAddDependency(context, task.taskId, other.taskId, kind);
    if (answer.type === "rejection") return answer;
  }
  const prefix = selectPrefix(context.sql);
  const id = (each: Task): string => issueIdOf(each, selectExtras(context.sql, each.taskId), prefix);
  keepLink(context, task, isOurs ? other.taskId : null, {
    issue_id: id(task),
    depends_on_id: other === null ? target : id(other),
    type: kindText,
    created_at: new Date(context.nowMs).toISOString(),
    created_by: context.actor.id,
  });
  return null;
}

/** Takes every link of one issue to another away. Refused with `task.not-found` when there is none. */
export function removeLink(context: Context, task: Task, target: string): Rejection | null {
  const resolved = resolveTask(context.sql, target);
  const other = resolved.type === "rejection" ? null : resolved.task;
  const dependency = selectDependenciesOf(context.sql, task.taskId).find(
    ({ dependsOnId }) => dependsOnId === other?.taskId,
  );
  if (dependency !== undefined) context.emit({ type: "dependency.removed", dependency });
  const extras = selectExtras(context.sql, task.taskId);
  const id =
    other === null
      ? target
      : issueIdOf(other, selectExtras(context.sql, other.taskId), selectPrefix(context.sql));
  const links = extras.links.filter(({ link }) => link.depends_on_id !== id && link.depends_on_id !== target);
  const isLinkGone = emitExtras(context, { ...extras, links });
  if (dependency !== undefined || isLinkGone) return null;
  return reject("task.not-found", `task #${task.number} has no link to '${target}'`);
}
