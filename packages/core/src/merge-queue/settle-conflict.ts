import type { Change, Failure, ProjectEvent } from "@canopy/protocol";
import { assert } from "@canopy/protocol";
import type { DecideContext } from "../kernel/room-definition.ts";
import { selectFailureCount, selectRun } from "../runs/run-rows.ts";
import { countInRun } from "../runs/run-totals.ts";
import { decideRetry } from "../schedule/retry-policy.ts";
import { addComment, releaseTask } from "../tasks/decide-task.ts";
import { selectTask } from "../tasks/select-tasks.ts";

/** Says which files a change conflicts in. */
export function describeConflict(change: Change): string {
  const files = change.conflicts.map((file) => `${file.path} (${file.kind})`).join(", ");
  return `its change ${change.changeId} conflicts in ${files === "" ? "files git did not name" : files}`;
}

/**
 * A conflicted change is kept. Where the run allows retries for conflicts the task is done again on the new base;
 * otherwise it waits for a person.
 */
export function retryOrGiveUpConflict(context: DecideContext<ProjectEvent>, change: Change): void {
  const task = selectTask(context.sql, change.taskId);
  const run = selectRun(context.sql, change.runId);
  assert(task !== undefined && run !== undefined, "a change has a task and a run");
  const failure: Failure = {
    cause: "conflict",
    message: describeConflict(change),
    agentError: null,
    retryAfterMs: null,
  };
  const decision = decideRetry({
    failure,
    failureCount: selectFailureCount(context.sql, change.taskId, "conflict"),
    options: run.options,
    random: context.random(),
  });
  if (task.claim?.holder !== change.attemptId) {
    countInRun(context, change.runId, "conflicted");
    return;
  }
  if (!decision.retry) {
    countInRun(context, change.runId, "conflicted");
    const waiting = releaseTask(context, task, "needs_input");
    addComment(context, waiting, `CONFLICT: ${failure.message}. The work is kept as ${change.commit}.`);
    return;
  }
  releaseTask(context, task, "open");
  if (decision.delayMs === 0) return;
  context.emit({
    type: "hold.placed",
    hold: {
      taskId: task.taskId,
      runId: run.runId,
      cause: "conflict",
      untilMs: context.nowMs + decision.delayMs,
      message: failure.message,
    },
  });
}
