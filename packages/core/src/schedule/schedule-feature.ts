import type { Attempt, ProjectCommand, ProjectEvent, Run, Task } from "@canopy/protocol";
import type { DecideContext, RoomFeature } from "../kernel/room-definition.ts";
import type { Sql } from "../kernel/sql.ts";
import {
  selectChangesByState,
  selectChangesInLanding,
  selectChangesInWork,
} from "../merge-queue/change-rows.ts";
import {
  decideFinishAttempt,
  decideSpendAttempt,
  decideLeaseJobs,
  decideRecoverAttempt,
  decideRegisterRunner,
  decideStartAttempt,
  onLeaseTimer,
} from "../runs/decide-attempt.ts";
import { queueAttempt } from "../runs/queue-attempt.ts";
import { decideKillAttempt, decideStartRun, decideStopRun } from "../runs/decide-run.ts";
import {
  RUN_MIGRATIONS,
  RUN_PROJECTIONS,
  RUN_TABLES,
  countAttemptsByTask,
  selectActiveAttempts,
  selectActiveRuns,
  selectCutOffAttempt,
  selectHolds,
  selectHoldsOfTask,
} from "../runs/run-rows.ts";
import { claimTask } from "../tasks/decide-task.ts";
import { selectReadyTasks, selectTask, selectTasksByStatus } from "../tasks/select-tasks.ts";
import { measureCriticalPaths, scoreTask } from "./score-task.ts";
import { explainFilter } from "./task-filter.ts";

type Context = DecideContext<ProjectEvent>;

/** Ready tasks that a run would take, best first: fitting its filter and not held back. */
export function selectCandidates(sql: Sql, run: Run, nowMs: number): Task[] {
  const criticalPath = measureCriticalPaths(sql);
  const held = new Set(
    selectHolds(sql)
      .filter((hold) => hold.runId === null || hold.runId === run.runId)
      .map((hold) => hold.taskId),
  );
  const tries = countAttemptsByTask(sql);
  return selectReadyTasks(sql, nowMs)
    .filter((task) => !held.has(task.taskId) && explainFilter(task, run.options.filter) === null)
    .map((task) => ({
      task,
      score: scoreTask({
        task,
        criticalPath: criticalPath(task.taskId),
        failureCount: tries.get(task.taskId) ?? 0,
        nowMs,
      }),
    }))
    .sort((left, right) => right.score - left.score || left.task.number - right.task.number)
    .map(({ task }) => task);
}

/** Says which cap keeps a task waiting, or null. `active` are the tasks that run now. */
export function explainCap(task: Task, caps: Run["options"]["caps"], active: readonly Task[]): string | null {
  const typeCap = caps.perType[task.taskType];
  const typeCount = active.filter((other) => other.taskType === task.taskType).length;
  if (typeCap !== undefined && typeCount >= typeCap) {
    return `at most ${typeCap} tasks of type ${task.taskType} run at once`;
  }
  for (const label of task.labels) {
    const labelCap = caps.perLabel[label];
    const labelCount = active.filter((other) => other.labels.includes(label)).length;
    if (labelCap !== undefined && labelCount >= labelCap)
      return `at most ${labelCap} tasks labelled ${label} run at once`;
  }
  return null;
}

/** Tasks whose attempts are queued or running. */
export function selectActiveTasks(sql: Sql, attempts: readonly Attempt[]): Task[] {
  return attempts.map((attempt) => selectTask(sql, attempt.taskId)).filter((task) => task !== undefined);
}

function startAttempt(context: Context, run: Run, task: Task): void {
  const agent = task.agent ?? run.options.agent;
  const cutOff = selectCutOffAttempt(context.sql, task.taskId);
  // A person's answer is for the session that asked, whichever run is at work by then.
  const isOurs = cutOff !== null && (cutOff.runId === run.runId || cutOff.parkedFor != null);
  const goesOn = isOurs && cutOff.agent === agent;
  const attempt = queueAttempt(context, {
    run,
    task,
    role: "worker",
    agent,
    // A model goes with the agent that it was said for.
    model: task.model ?? (agent === run.options.agent ? run.options.model : null),
    ladder: null,
    sessionId: goesOn ? cutOff.sessionId : null,
  });
  claimTask(context, task, attempt.attemptId);
}

function fillSlots(context: Context, run: Run): void {
  const active = selectActiveAttempts(context.sql);
  let freeCount = run.options.concurrency - active.filter((attempt) => attempt.runId === run.runId).length;
  if (freeCount <= 0) return;
  const activeTasks = selectActiveTasks(context.sql, active);
  for (const task of selectCandidates(context.sql, run, context.nowMs)) {
    if (freeCount <= 0) return;
    if (explainCap(task, run.options.caps, activeTasks) !== null) continue;
    startAttempt(context, run, task);
    activeTasks.push(task);
    freeCount -= 1;
  }
}

/** True while something of the project may still end, land, or come back after a pause, and so feed this run. */
function hasWorkAhead(context: Context, run: Run): boolean {
  const { sql } = context;
  const attempts = selectActiveAttempts(sql);
  const isOwn = (item: { readonly runId: string }): boolean => item.runId === run.runId;
  const changes = [
    ...selectChangesByState(sql, "queued"),
    ...selectChangesInLanding(sql),
    ...selectChangesInWork(sql),
  ];
  if (run.state !== "running") return attempts.some(isOwn) || changes.some(isOwn);
  if (attempts.length > 0 || changes.length > 0) return true;
  return selectTasksByStatus(sql, "open").some(
    (task) =>
      explainFilter(task, run.options.filter) === null &&
      selectHoldsOfTask(sql, task.taskId, run.runId).some((hold) => hold.untilMs !== null),
  );
}

function reactToRuns(context: Context): void {
  for (const run of selectActiveRuns(context.sql)) {
    if (run.state === "running") fillSlots(context, run);
    if (run.state === "running" && run.options.watch) continue;
    if (hasWorkAhead(context, run)) continue;
    const finished: Run = {
      ...run,
      state: run.state === "running" ? "completed" : "cancelled",
      finishedAtMs: context.nowMs,
    };
    context.emit({ type: "run.finished", run: finished });
  }
}

/** Runs, attempts and scheduling. */
export const scheduleFeature: RoomFeature<ProjectCommand, ProjectEvent> = {
  name: "schedule",
  migrations: RUN_MIGRATIONS,
  tables: RUN_TABLES,
  decide: {
    "run.start": decideStartRun,
    "run.stop": decideStopRun,
    "attempt.kill": decideKillAttempt,
    "runner.register": decideRegisterRunner,
    "job.lease": decideLeaseJobs,
    "attempt.start": decideStartAttempt,
    "attempt.finish": decideFinishAttempt,
    "attempt.spend": decideSpendAttempt,
    "attempt.recover": decideRecoverAttempt,
  },
  project: RUN_PROJECTIONS,
  timers: {
    hold: (context, key) => {
      const [, taskId = "", runId = ""] = key.split(":");
      const hold = selectHoldsOfTask(context.sql, taskId, runId).find(
        (other) => (other.runId ?? "") === runId,
      );
      if (hold !== undefined) context.emit({ type: "hold.lifted", taskId: hold.taskId, runId: hold.runId });
    },
    lease: onLeaseTimer,
  },
  react: reactToRuns,
};
