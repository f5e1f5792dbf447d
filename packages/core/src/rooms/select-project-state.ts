import type { Attempt, Change, Comment, Dependency, ProjectState, Task } from "@canopy/protocol";
import { selectClaims, selectTickets } from "../claims/claim-rows.ts";
import { selectOpenInquiries } from "../inquiries/inquiry-feature.ts";
import type { Sql } from "../kernel/sql.ts";
import { parseColumn } from "../kernel/sql.ts";
import { selectChanges, selectChangesOfTask } from "../merge-queue/change-rows.ts";
import { selectOverlaps } from "../merge-queue/stack-rows.ts";
import { isFinished } from "../presence/presence-rows.ts";
import { selectPendingWaits } from "../waits/wait-rows.ts";
import { selectAttemptsOfTask, selectHolds, selectRuns } from "../runs/run-rows.ts";
import type { NotRunningReason } from "../schedule/why-not-running.ts";
import { selectWhyNotRunning } from "../schedule/why-not-running.ts";
import { selectSessions } from "../sessions/session-feature.ts";
import {
  selectComments,
  selectDependencies,
  selectDependenciesOf,
  selectDependentsOf,
  selectTasks,
} from "../tasks/select-tasks.ts";

/** The snapshot that clients of the project room start from. */
export function selectProjectState(sql: Sql): ProjectState {
  return {
    tasks: selectTasks(sql),
    dependencies: selectDependencies(sql),
    holds: selectHolds(sql),
    runs: selectRuns(sql),
    attempts: sql
      .exec("SELECT value FROM attempts ORDER BY attempt_id")
      .map((row) => parseColumn<Attempt>(row, "value")),
    changes: selectChanges(sql),
    sessions: selectSessions(sql),
    overlaps: selectOverlaps(sql),
    coordination: {
      claims: selectClaims(sql),
      tickets: selectTickets(sql),
      waits: selectPendingWaits(sql),
      isFinished: isFinished(sql),
    },
    inquiries: selectOpenInquiries(sql),
  };
}

/** One task with everything around it. */
export interface TaskDetail {
  readonly task: Task;
  readonly dependsOn: readonly Dependency[];
  readonly dependents: readonly Dependency[];
  readonly comments: readonly Comment[];
  readonly attempts: readonly Attempt[];
  readonly changes: readonly Change[];
  readonly why: readonly NotRunningReason[];
}

/** One task with everything around it. */
export function selectTaskDetail(sql: Sql, task: Task, nowMs: number): TaskDetail {
  return {
    task,
    dependsOn: selectDependenciesOf(sql, task.taskId),
    dependents: selectDependentsOf(sql, task.taskId),
    comments: selectComments(sql, task.taskId),
    attempts: selectAttemptsOfTask(sql, task.taskId),
    changes: selectChangesOfTask(sql, task.taskId),
    why: selectWhyNotRunning(sql, task, nowMs),
  };
}
