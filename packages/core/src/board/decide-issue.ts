import type {
  IssueExtras,
  IssuePatch,
  Json,
  ProjectCommand,
  ProjectEvent,
  Rejection,
  Task,
} from "@canopy/protocol";
import { reject, taskTypeSchema } from "@canopy/protocol";
import type { DecideAnswer, DecideContext } from "../kernel/room-definition.ts";
import { accept } from "../kernel/room-definition.ts";
import { addComment, closeTask } from "../tasks/decide-task.ts";
import { resolveTask } from "../tasks/resolve-task.ts";
import { selectDependenciesOf, selectTask } from "../tasks/select-tasks.ts";
import { issueIdOf, selectExtras, selectPrefix, selectTaskByIssueId } from "./board-rows.ts";
import { UNNAMED_HOLDER, emitExtras, emitTask, isAtWork, rejectAtWork } from "./emit-issue.ts";
import { readIssueStatus } from "./issue-status.ts";
import { addLink, removeLink } from "./link-issues.ts";
import { putIssue } from "./put-issue.ts";

type Context = DecideContext<ProjectEvent>;
type Command<T extends ProjectCommand["type"]> = Extract<ProjectCommand, { type: T }>;

function issueResult(context: Context, task: Task): DecideAnswer {
  const extras = selectExtras(context.sql, task.taskId);
  return accept({ id: issueIdOf(task, extras, selectPrefix(context.sql)), taskId: task.taskId });
}

/** Fixes the prefix. The same again changes nothing; another one is refused, for ids would change. */
export function decideInitBoard(context: Context, command: Command<"board.init">): DecideAnswer {
  const prefix = selectPrefix(context.sql);
  if (prefix !== null && prefix !== command.prefix)
    return reject("board.prefix-fixed", `the issues here are called ${prefix}-NUMBER already`);
  if (prefix === null) context.emit({ type: "board.configured", prefix: command.prefix });
  return accept({ prefix: command.prefix });
}

/** The next free `PARENT.NUMBER`. */
function childId(context: Context, parent: Task): string {
  const prefix = selectPrefix(context.sql);
  const above = issueIdOf(parent, selectExtras(context.sql, parent.taskId), prefix);
  for (let next = 1; ; next += 1) {
    const id = `${above}.${next}`;
    if (selectTaskByIssueId(context.sql, id) === undefined) return id;
  }
}

/** Makes an issue; one with a parent is called `PARENT.NUMBER` unless it has an id. */
export function decideCreateIssue(context: Context, command: Command<"issue.create">): DecideAnswer {
  const { issue, parent, links } = command;
  const invalid = checkType(issue.issue_type ?? undefined);
  if (invalid !== null) return invalid;
  if (issue.id !== undefined && selectTaskByIssueId(context.sql, issue.id) !== undefined)
    return reject("task.duplicate-reference", `there is an issue ${issue.id} already`);
  const above = parent === undefined ? null : resolveTask(context.sql, parent);
  if (above?.type === "rejection") return above;
  const own = issue.id ?? (above === null ? undefined : childId(context, above.task));
  const { task } = putIssue(context, issue, undefined, own);
  const all = [
    ...(above === null ? [] : [{ on: above.task.taskId, type: "parent-child", isBlocking: false }]),
    ...links,
  ];
  for (const { on, type, isBlocking } of all) {
    const refused = isBlocking ? addLinkFrom(context, on, task, type) : addLink(context, task, on, type);
    if (refused !== null) return refused;
  }
  return issueResult(context, task);
}

function addLinkFrom(context: Context, from: string, to: Task, type: string): Rejection | null {
  const resolved = resolveTask(context.sql, from);
  return resolved.type === "rejection" ? resolved : addLink(context, resolved.task, to.taskId, type);
}

function checkType(type: string | undefined): Rejection | null {
  if (type === undefined || taskTypeSchema.safeParse(type).success) return null;
  return reject(
    "command.invalid",
    `${JSON.stringify(type)} is no type: a lower-case word such as task, bug, feature`,
  );
}

function claimProblem(context: Context, task: Task): Rejection | null {
  const me = context.actor.id;
  if (task.status === "closed") return reject("task.closed", `task #${task.number} is closed`);
  const holder = task.claim === null ? task.assignee : task.claim.holder;
  if (holder === null || holder === me || holder === UNNAMED_HOLDER) return null;
  return reject("task.already-claimed", `already claimed by ${holder}`);
}

function changeLabels(task: Task, patch: IssuePatch): string[] {
  const removed = new Set(patch.remove_labels ?? []);
  const labels = [...(patch.set_labels ?? task.labels), ...(patch.add_labels ?? [])];
  return [...new Set(labels)].filter((label) => !removed.has(label));
}

function changeHolder(context: Context, task: Task, patch: IssuePatch): Task["claim"] {
  const wanted = patch.assignee === "" ? UNNAMED_HOLDER : patch.assignee;
  if (task.claim !== null && (wanted === undefined || wanted === task.claim.holder)) return task.claim;
  return { holder: wanted ?? task.assignee ?? context.actor.id, atMs: context.nowMs };
}

function changeState(context: Context, task: Task, patch: IssuePatch): Task {
  const status = patch.status === undefined ? task.status : readIssueStatus(patch.status).status;
  if (status === "closed") {
    const closedAtMs = task.closedAtMs ?? context.nowMs;
    return { ...task, status, claim: null, closedAtMs, closeReason: task.closeReason ?? "" };
  }
  const claim = status === "in_progress" ? changeHolder(context, task, patch) : null;
  return { ...task, status, claim, closedAtMs: null, closeReason: null };
}

function patchTask(context: Context, task: Task, patch: IssuePatch): Task {
  const reference = patch.external_ref === "" ? null : patch.external_ref;
  return {
    ...task,
    title: patch.title ?? task.title,
    description: patch.description ?? task.description,
    taskType: patch.issue_type ?? task.taskType,
    priority: patch.priority ?? task.priority,
    labels: changeLabels(task, patch),
    assignee: patch.assignee === undefined ? task.assignee : patch.assignee === "" ? null : patch.assignee,
    externalReference: reference === undefined ? task.externalReference : reference,
    updatedAtMs: context.nowMs,
  };
}

function patchExtras(extras: IssueExtras, patch: IssuePatch): IssueExtras {
  const fields: Record<string, Json> = { ...extras.fields };
  if (patch.issue_type !== undefined) delete fields["issue_type"];
  if (patch.external_ref !== undefined) delete fields["external_ref"];
  for (const [name, value] of Object.entries(patch.fields ?? {})) {
    if (value === null || value === "") delete fields[name];
    else fields[name] = value;
  }
  if (patch.append_notes !== undefined) {
    const notes = fields["notes"];
    fields["notes"] = typeof notes === "string" ? `${notes}\n${patch.append_notes}` : patch.append_notes;
  }
  const status = patch.status === undefined ? extras.status : readIssueStatus(patch.status).extra;
  return { ...extras, fields, status };
}

function changeParent(context: Context, task: Task, parent: string): Rejection | null {
  for (const dependency of selectDependenciesOf(context.sql, task.taskId)) {
    if (dependency.kind === "parent-child") removeLink(context, task, dependency.dependsOnId);
  }
  return parent === "" ? null : addLink(context, task, parent, "parent-child");
}

function findProblem(context: Context, task: Task, command: Command<"issue.update">): Rejection | null {
  const { patch, isClaim } = command;
  if (isClaim) {
    const taken = claimProblem(context, task);
    if (taken !== null) return taken;
  }
  if ((isClaim || patch.status !== undefined) && isAtWork(context, task)) return rejectAtWork(task);
  const reference = patch.external_ref ?? "";
  if (reference.length > 200) return reject("command.invalid", "external_ref: at most 200 characters");
  const [other] =
    reference === ""
      ? []
      : context.sql.exec(
          "SELECT number FROM tasks WHERE external_reference = ? AND task_id <> ?",
          reference,
          task.taskId,
        );
  if (other !== undefined)
    return reject(
      "task.duplicate-reference",
      `task #${String(other["number"])} already stands for ${reference}`,
    );
  return checkType(patch.issue_type);
}

/** Changes an issue, all or nothing. A claim of two is won by one; the same holder claiming again changes nothing. */
export function decideUpdateIssue(context: Context, command: Command<"issue.update">): DecideAnswer {
  const resolved = resolveTask(context.sql, command.issue);
  if (resolved.type === "rejection") return resolved;
  const { task } = resolved;
  const problem = findProblem(context, task, command);
  if (problem !== null) return problem;
  const me = context.actor.id;
  const patch: IssuePatch = command.isClaim
    ? { ...command.patch, status: "in_progress", assignee: me }
    : command.patch;
  const patched = patchTask(context, task, patch);
  const isKept = isAtWork(context, task) || (patch.status === undefined && task.status === "closed");
  const next = isKept ? patched : changeState(context, patched, patch);
  emitExtras(context, patchExtras(selectExtras(context.sql, task.taskId), patch));
  if (next.status === "closed" && task.status !== "closed")
    closeTask(context, { ...next, status: task.status }, "");
  else emitTask(context, task, next);
  if (patch.remove_labels !== undefined || patch.set_labels !== undefined)
    context.emit({ type: "hold.lifted", taskId: task.taskId, runId: null });
  const refused = patch.parent === undefined ? null : changeParent(context, task, patch.parent);
  return refused ?? issueResult(context, next);
}

/** Closes an issue, whoever holds it but a run's agent; closing a closed one changes nothing. */
export function decideCloseIssue(context: Context, command: Command<"issue.close">): DecideAnswer {
  const resolved = resolveTask(context.sql, command.issue);
  if (resolved.type === "rejection") return resolved;
  const { task } = resolved;
  if (isAtWork(context, task)) return rejectAtWork(task);
  if (task.status !== "closed") {
    emitExtras(context, { ...selectExtras(context.sql, task.taskId), status: null });
    closeTask(context, task, command.reason);
  }
  return issueResult(context, task);
}

/** Opens an issue again, whoever holds it but a run's agent; the reason is kept as a remark. */
export function decideReopenIssue(context: Context, command: Command<"issue.reopen">): DecideAnswer {
  const resolved = resolveTask(context.sql, command.issue);
  if (resolved.type === "rejection") return resolved;
  const { task } = resolved;
  if (isAtWork(context, task)) return rejectAtWork(task);
  emitExtras(context, { ...selectExtras(context.sql, task.taskId), status: null });
  emitTask(context, task, {
    ...task,
    status: "open",
    claim: null,
    closedAtMs: null,
    closeReason: null,
    updatedAtMs: context.nowMs,
  });
  if (command.reason !== "") addComment(context, task, command.reason);
  return issueResult(context, selectTask(context.sql, task.taskId) ?? task);
}

/** Adds a remark to an issue. */
export function decideCommentIssue(context: Context, command: Command<"issue.comment">): DecideAnswer {
  const resolved = resolveTask(context.sql, command.issue);
  if (resolved.type === "rejection") return resolved;
  addComment(context, resolved.task, command.text);
  return issueResult(context, resolved.task);
}

/** Links one issue to another. Cycles among links that hold back are refused with `task.cycle`. */
export function decideLinkIssue(context: Context, command: Command<"issue.link">): DecideAnswer {
  const resolved = resolveTask(context.sql, command.issue);
  if (resolved.type === "rejection") return resolved;
  const refused = addLink(context, resolved.task, command.on, command.linkType);
  return refused ?? issueResult(context, resolved.task);
}

/** Takes a link away. */
export function decideUnlinkIssue(context: Context, command: Command<"issue.unlink">): DecideAnswer {
  const resolved = resolveTask(context.sql, command.issue);
  if (resolved.type === "rejection") return resolved;
  const refused = removeLink(context, resolved.task, command.on);
  return refused ?? issueResult(context, resolved.task);
}
