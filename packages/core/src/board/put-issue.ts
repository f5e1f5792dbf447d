import type { IssueRecord, ProjectEvent, Task } from "@canopy/protocol";
import type { DecideContext } from "../kernel/room-definition.ts";
import { createBlankTask } from "../tasks/blank-task.ts";
import { selectNextTaskNumber, selectTask } from "../tasks/select-tasks.ts";
import { emptyExtras, readOwnNumber, selectExtras, selectPrefix } from "./board-rows.ts";
import { buildIssue } from "./build-issue.ts";
import { emitExtras, emitTask, isAtWork } from "./emit-issue.ts";

type Context = DecideContext<ProjectEvent>;

/** Larger numbers in ids are words: the next tasks shall not count on from them. */
const MAX_OWN_NUMBER = 1_000_000;

/** An issue `PREFIX-7` is task 7 where that is free, so that no later task is given its id. */
function chooseNumber(context: Context, id: string | undefined): number {
  const next = selectNextTaskNumber(context.sql);
  const own = id === undefined ? null : readOwnNumber(id, selectPrefix(context.sql));
  if (own === null || own > MAX_OWN_NUMBER) return next;
  const [taken] = context.sql.exec("SELECT 1 FROM tasks WHERE number = ?", own);
  return taken === undefined ? own : next;
}

function newTask(context: Context, record: IssueRecord, id: string | undefined): Task {
  return createBlankTask(context, { number: chooseNumber(context, id), title: record.title });
}

/** Makes an issue of a record (called `id`, when the record does not say), or brings `known` up to date with it. */
export function putIssue(
  context: Context,
  record: IssueRecord,
  known: Task | undefined,
  id: string | undefined = record.id,
): { readonly task: Task; readonly isChanged: boolean } {
  if (known === undefined) {
    const empty = newTask(context, record, id);
    const base = {
      task: empty,
      extras: { ...emptyExtras(empty.taskId), issueId: id ?? null },
      isAtWork: false,
    };
    const { task, extras } = buildIssue(context.sql, record, base, context.nowMs);
    context.emit({ type: "task.created", task });
    emitExtras(context, extras);
    return { task, isChanged: true };
  }
  const base = {
    task: known,
    extras: selectExtras(context.sql, known.taskId),
    isAtWork: isAtWork(context, known),
  };
  const { task, extras } = buildIssue(context.sql, record, base, context.nowMs);
  const isTaskChanged = emitTask(context, known, task);
  const isExtrasChanged = emitExtras(context, extras);
  return { task: selectTask(context.sql, task.taskId) ?? task, isChanged: isTaskChanged || isExtrasChanged };
}
