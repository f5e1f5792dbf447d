import type { Json, NewTask, ProjectCommand, ProjectEvent, Task, TaskPatch } from "@canopy/protocol";
import { reject } from "@canopy/protocol";
import type { DecideAnswer, DecideContext } from "../kernel/room-definition.ts";
import { accept } from "../kernel/room-definition.ts";
import { selectTaskByIssueId } from "../board/board-rows.ts";
import { createBlankTask } from "./blank-task.ts";
import { decideAddDependency } from "./decide-dependency.ts";
import { resolveTask } from "./resolve-task.ts";
import {
  selectDependenciesOf,
  selectDependentsOf,
  selectNextTaskNumber,
  selectTask,
  selectTaskByReference,
} from "./select-tasks.ts";

type Context = DecideContext<ProjectEvent>;
type Command<T extends ProjectCommand["type"]> = Extract<ProjectCommand, { type: T }>;

/** What commands about one task answer. */
export function taskResult(task: Task): DecideAnswer {
  return accept({ task: task as unknown as Json });
}

function createTask(context: Context, input: NewTask): Task {
  const { dependencies: _dependencies, ...fields } = input;
  const task: Task = {
    ...createBlankTask(context, { number: selectNextTaskNumber(context.sql), title: fields.title }),
    ...fields,
    labels: [...new Set(fields.labels)],
  };
  context.emit({ type: "task.created", task });
  return task;
}

function addDependencies(context: Context, task: Task, input: NewTask): DecideAnswer | null {
  for (const { on, kind } of input.dependencies) {
    const answer = decideAddDependency(context, task.taskId, on, kind);
    if (answer.type === "rejection") return answer;
  }
  return null;
}

/** Makes a task; refuses unknown dependencies, cycles and a second task with the same external reference. */
export function decideCreateTask(context: Context, command: Command<"task.create">): DecideAnswer {
  const reference = command.task.externalReference;
  if (reference !== null) {
    const other = selectTaskByReference(context.sql, reference);
    if (other !== undefined) {
      return reject("task.duplicate-reference", `task #${other.number} already stands for ${reference}`);
    }
  }
  const task = createTask(context, command.task);
  return addDependencies(context, task, command.task) ?? taskResult(task);
}

function updateImported(context: Context, task: Task, input: NewTask): Task {
  const updated: Task = {
    ...task,
    title: input.title,
    description: input.description,
    taskType: input.taskType,
    priority: input.priority,
    labels: [...new Set(input.labels)],
    updatedAtMs: context.nowMs,
  };
  const isSame =
    JSON.stringify({ ...task, updatedAtMs: 0 }) === JSON.stringify({ ...updated, updatedAtMs: 0 });
  if (isSame) return task;
  context.emit({ type: "task.updated", task: updated });
  return updated;
}

/**
 * The task that an import means. A person's `bd:ID` may be an issue of this work board; what a tracker is kept in step
 * with by the daemon is another program's, also when it calls one the same.
 */
function findImported(context: Context, reference: string | null): Task | undefined {
  if (reference === null) return undefined;
  const known = selectTaskByReference(context.sql, reference);
  if (known !== undefined || context.actor.kind === "system" || !reference.startsWith("bd:")) return known;
  return selectTaskByIssueId(context.sql, reference.slice("bd:".length));
}

/** Imports many tasks, all or nothing; dependencies may name other items of the same import. */
export function decideImportTasks(context: Context, command: Command<"task.import">): DecideAnswer {
  let createdCount = 0;
  const imported = command.tasks.map((input) => {
    const known = findImported(context, input.externalReference);
    if (known === undefined) createdCount += 1;
    const task = known === undefined ? createTask(context, input) : updateImported(context, known, input);
    return { task, input };
  });
  for (const { task, input } of imported) {
    const refused = addDependencies(context, task, input);
    if (refused !== null) return refused;
  }
  return accept({
    createdCount,
    updatedCount: imported.length - createdCount,
    taskIds: imported.map(({ task }) => task.taskId),
  });
}

function applyPatch(task: Task, patch: TaskPatch, nowMs: number): Task {
  const { addLabels = [], removeLabels = [], ...fields } = patch;
  const removed = new Set(removeLabels);
  const set = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  const labels = [...new Set([...task.labels, ...addLabels])].filter((label) => !removed.has(label));
  return { ...task, ...set, labels, updatedAtMs: nowMs };
}

/** Changes fields of a task. A state can only be set on a task that nobody holds and that is not closed. */
export function decideUpdateTask(context: Context, command: Command<"task.update">): DecideAnswer {
  const resolved = resolveTask(context.sql, command.task);
  if (resolved.type === "rejection") return resolved;
  const { task } = resolved;
  if (command.patch.status !== undefined && task.status === "closed") {
    return reject(
      "task.closed",
      `task #${task.number} is closed`,
      `reopen it with: canopy task reopen ${task.number}`,
    );
  }
  if (command.patch.status !== undefined && task.claim !== null) {
    return reject("task.already-claimed", `task #${task.number} is claimed by ${task.claim.holder}`);
  }
  const updated = applyPatch(task, command.patch, context.nowMs);
  context.emit({ type: "task.updated", task: updated });
  const isReopened = command.patch.removeLabels !== undefined || command.patch.status === "open";
  if (isReopened) context.emit({ type: "hold.lifted", taskId: task.taskId, runId: null });
  return taskResult(updated);
}

/** Gives a task to one holder, atomically. The same holder claiming again changes nothing. */
export function decideClaimTask(context: Context, command: Command<"task.claim">): DecideAnswer {
  const resolved = resolveTask(context.sql, command.task);
  if (resolved.type === "rejection") return resolved;
  const { task } = resolved;
  if (task.claim?.holder === command.holder) return taskResult(task);
  if (task.claim !== null) {
    return reject("task.already-claimed", `task #${task.number} is claimed by ${task.claim.holder}`);
  }
  if (task.status === "closed") return reject("task.closed", `task #${task.number} is closed`);
  return taskResult(claimTask(context, task, command.holder));
}

/** Emits the claim of a free task and returns the task as it then is. */
export function claimTask(context: Context, task: Task, holder: string): Task {
  const claimed: Task = {
    ...task,
    status: "in_progress",
    claim: { holder, atMs: context.nowMs },
    updatedAtMs: context.nowMs,
  };
  context.emit({ type: "task.claimed", task: claimed });
  return claimed;
}

/** Emits the release of a held task, into `status`, and returns the task as it then is. */
export function releaseTask(context: Context, task: Task, status: "open" | "needs_input"): Task {
  const released: Task = { ...task, status, claim: null, updatedAtMs: context.nowMs };
  context.emit({ type: "task.released", task: released });
  return released;
}

/** Takes a task back from its holder. */
export function decideReleaseTask(context: Context, command: Command<"task.release">): DecideAnswer {
  const resolved = resolveTask(context.sql, command.task);
  if (resolved.type === "rejection") return resolved;
  const { task } = resolved;
  if (task.claim === null) return reject("task.not-claimed", `task #${task.number} is not claimed`);
  if (task.claim.holder !== command.holder) {
    return reject("task.already-claimed", `task #${task.number} is claimed by ${task.claim.holder}`);
  }
  return taskResult(releaseTask(context, task, "open"));
}

/** Emits the closing of a task and of every epic above it whose children are now all closed. */
export function closeTask(context: Context, task: Task, reason: string): Task {
  const closed: Task = {
    ...task,
    status: "closed",
    claim: null,
    closedAtMs: context.nowMs,
    closeReason: reason,
    updatedAtMs: context.nowMs,
  };
  context.emit({ type: "task.closed", task: closed });
  for (const { dependsOnId, kind } of selectDependenciesOf(context.sql, task.taskId)) {
    if (kind !== "parent-child") continue;
    const parent = selectTask(context.sql, dependsOnId);
    if (parent?.taskType !== "epic" || parent.status === "closed") continue;
    const hasOpenChild = selectDependentsOf(context.sql, parent.taskId).some(
      (child) => child.kind === "parent-child" && selectTask(context.sql, child.taskId)?.status !== "closed",
    );
    if (!hasOpenChild) closeTask(context, parent, "all its tasks are closed");
  }
  return closed;
}

/** Closes a task; closing a closed one changes nothing. */
export function decideCloseTask(context: Context, command: Command<"task.close">): DecideAnswer {
  const resolved = resolveTask(context.sql, command.task);
  if (resolved.type === "rejection") return resolved;
  if (resolved.task.status === "closed") return taskResult(resolved.task);
  if (resolved.task.claim?.holder.startsWith("att_") === true) {
    return reject(
      "task.already-claimed",
      `an agent works on task #${resolved.task.number}`,
      `end it first with: canopy kill ${resolved.task.number}`,
    );
  }
  return taskResult(closeTask(context, resolved.task, command.reason));
}

/** Opens a closed or waiting task again and forgets its failures, so that runs take it again. */
export function decideReopenTask(context: Context, command: Command<"task.reopen">): DecideAnswer {
  const resolved = resolveTask(context.sql, command.task);
  if (resolved.type === "rejection") return resolved;
  const { task } = resolved;
  if (task.claim !== null) {
    return reject("task.already-claimed", `task #${task.number} is claimed by ${task.claim.holder}`);
  }
  const reopened: Task = {
    ...task,
    status: "open",
    labels: task.labels.filter((label) => label !== "needs-investigation" && label !== "needs-input"),
    closedAtMs: null,
    closeReason: null,
    updatedAtMs: context.nowMs,
  };
  context.emit({ type: "task.reopened", task: reopened });
  context.emit({ type: "hold.lifted", taskId: task.taskId, runId: null });
  if (command.reason !== "") addComment(context, reopened, command.reason);
  return taskResult(reopened);
}

/** Emits a comment on a task, by whoever acts. */
export function addComment(context: Context, task: Task, text: string): void {
  context.emit({
    type: "task.commented",
    comment: {
      commentId: context.newId("comment"),
      taskId: task.taskId,
      author: context.actor.id,
      text,
      atMs: context.nowMs,
    },
  });
}

/** Adds a remark to a task. */
export function decideCommentTask(context: Context, command: Command<"task.comment">): DecideAnswer {
  const resolved = resolveTask(context.sql, command.task);
  if (resolved.type === "rejection") return resolved;
  addComment(context, resolved.task, command.text);
  return taskResult(resolved.task);
}
