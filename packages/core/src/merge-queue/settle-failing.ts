import type { Change, Failure, ProjectEvent, Task } from "@canopy/protocol";
import { assert } from "@canopy/protocol";
import type { DecideContext } from "../kernel/room-definition.ts";
import { giveTaskBack, giveTaskUp } from "../runs/end-attempt.ts";
import { selectAttempt, selectRun } from "../runs/run-rows.ts";
import { countInRun } from "../runs/run-totals.ts";
import { createBlankTask } from "../tasks/blank-task.ts";
import { addComment } from "../tasks/decide-task.ts";
import { selectNextTaskNumber, selectTask } from "../tasks/select-tasks.ts";
import { selectChange } from "./change-rows.ts";

type Context = DecideContext<ProjectEvent>;

/**
 * A change that breaks the validation, and that no repair agent mended, is kept. Its task is done again with what the
 * validation printed, where the run says so or no repair was tried; else a person is asked.
 */
export function redoOrGiveUpFailing(context: Context, change: Change): void {
  const task = selectTask(context.sql, change.taskId);
  const attempt = selectAttempt(context.sql, change.attemptId);
  const run = selectRun(context.sql, change.runId);
  assert(attempt !== undefined && run !== undefined, "a change has an attempt and a run");
  const failure: Failure = {
    cause: "validation",
    message: change.reason ?? "its validation failed",
    agentError: null,
    retryAfterMs: null,
  };
  if (task?.claim?.holder !== change.attemptId) {
    countInRun(context, change.runId, "failed");
    return;
  }
  const isRepairTried = change.ladder.slice(change.ladderFrom).some((step) => step.rung === "repair");
  if (isRepairTried && run.options.retries.validation === undefined) {
    giveTaskUp(context, attempt, failure);
    countInRun(context, change.runId, "failed");
    return;
  }
  if (!giveTaskBack(context, attempt, failure)) countInRun(context, change.runId, "failed");
}

/** Label of tasks that are to mend what landed red. */
export const FOLLOW_UP_LABEL = "validation-follow-up";

/**
 * Lenient validation let something red land: a task to mend it is filed and tells what it follows from. When that task's own
 * work lands red too, no further one is filed.
 */
export function fileFollowUp(context: Context, changeIds: readonly string[], text: string): void {
  const origins = changeIds
    .map((changeId) => selectChange(context.sql, changeId))
    .flatMap((change) => (change === undefined ? [] : [selectTask(context.sql, change.taskId)]))
    .filter((task) => task !== undefined);
  const earlier = origins.find((origin) => origin.labels.includes(FOLLOW_UP_LABEL));
  if (earlier !== undefined) {
    // What was to mend it did not: another task of the same kind would only go round in circles, and cost money.
    addComment(context, earlier, `It landed, and the validation is still red: ${text}`);
    return;
  }
  const task: Task = {
    ...createBlankTask(context, {
      number: selectNextTaskNumber(context.sql),
      title: `Validation failed: ${origins.map((origin) => origin.title).join(", ")}`.slice(0, 500),
    }),
    description: text,
    taskType: "bug",
    priority: 1,
    labels: [FOLLOW_UP_LABEL],
  };
  context.emit({ type: "task.created", task });
  for (const origin of origins) {
    context.emit({
      type: "dependency.added",
      dependency: { taskId: task.taskId, dependsOnId: origin.taskId, kind: "discovered-from" },
    });
    addComment(context, origin, `It landed although the validation is red; #${task.number} is to mend it.`);
  }
}
