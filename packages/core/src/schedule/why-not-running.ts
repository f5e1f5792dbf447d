import type { Change, Run, Task } from "@canopy/protocol";
import { readDeferral, selectExtras } from "../board/board-rows.ts";
import type { Sql } from "../kernel/sql.ts";
import { describeConflict } from "../merge-queue/settle-conflict.ts";
import { selectChangesOfTask, selectQueuePause } from "../merge-queue/change-rows.ts";
import {
  selectActiveAttempts,
  selectActiveRuns,
  selectAttempt,
  selectHoldsOfTask,
} from "../runs/run-rows.ts";
import { selectOpenBlockers } from "../tasks/select-tasks.ts";
import { explainCap, selectActiveTasks, selectCandidates } from "./schedule-feature.ts";
import { explainFilter } from "./task-filter.ts";

/** One reason why a task does not run. `code` is stable, `message` is for people. */
export interface NotRunningReason {
  readonly code:
    | "running"
    | "landing"
    | "closed"
    | "claimed"
    | "deferred"
    | "needs-input"
    | "blocked"
    | "no-run"
    | "filtered"
    | "held"
    | "capped"
    | "run-stopping"
    | "no-slot";
  readonly message: string;
}

function explainClaim(sql: Sql, holder: string, change: Change | undefined): NotRunningReason {
  const attempt = selectAttempt(sql, holder);
  if (attempt === undefined) return { code: "claimed", message: `it is claimed by ${holder}` };
  if (attempt.state === "queued" || attempt.state === "running") {
    return {
      code: "running",
      message: `attempt ${attempt.number} (${attempt.attemptId}) is ${attempt.state}`,
    };
  }
  const pause = change === undefined ? null : selectQueuePause(sql, change.integrationRef);
  const waits =
    pause === null ? `its change is ${change?.state ?? "being queued"}` : `landing waits: ${pause}`;
  return { code: "landing", message: waits };
}

function explainState(sql: Sql, task: Task): NotRunningReason | null {
  const change = selectChangesOfTask(sql, task.taskId).at(-1);
  if (task.status === "closed")
    return { code: "closed", message: `it is closed: ${task.closeReason ?? ""}`.trim() };
  if (task.claim !== null) return explainClaim(sql, task.claim.holder, change);
  if (task.status === "deferred") return { code: "deferred", message: "somebody deferred it" };
  if (task.status !== "needs_input") return null;
  if (change?.state === "conflicted") return { code: "needs-input", message: describeConflict(change) };
  return { code: "needs-input", message: change?.reason ?? "it waits for a person" };
}

function explainInRun(sql: Sql, task: Task, run: Run, nowMs: number): NotRunningReason {
  const inRun = `in run ${run.runId}`;
  if (run.state !== "running") return { code: "run-stopping", message: `${inRun}: the run is ${run.state}` };
  const filtered = explainFilter(task, run.options.filter);
  if (filtered !== null) return { code: "filtered", message: `${inRun}: ${filtered}` };
  const [hold] = selectHoldsOfTask(sql, task.taskId, run.runId);
  if (hold !== undefined) {
    const until =
      hold.untilMs === null
        ? "not tried again"
        : `tried again in ${Math.max(0, Math.ceil((hold.untilMs - nowMs) / 1000))} s`;
    return { code: "held", message: `${inRun}: ${until} after ${hold.cause}: ${hold.message}` };
  }
  const active = selectActiveAttempts(sql);
  const capped = explainCap(task, run.options.caps, selectActiveTasks(sql, active));
  if (capped !== null) return { code: "capped", message: `${inRun}: ${capped}` };
  const ahead = selectCandidates(sql, run, nowMs).findIndex((other) => other.taskId === task.taskId);
  return {
    code: "no-slot",
    message: `${inRun}: all ${run.options.concurrency} agents are busy; ${Math.max(0, ahead)} tasks go first`,
  };
}

/** Every reason why a task does not run right now; never empty. One reason a run when several runs are active. */
export function selectWhyNotRunning(sql: Sql, task: Task, nowMs: number): NotRunningReason[] {
  const state = explainState(sql, task);
  if (state !== null) return [state];
  const untilMs = readDeferral(selectExtras(sql, task.taskId));
  if (untilMs !== null && untilMs > nowMs)
    return [{ code: "deferred", message: `it is put off until ${new Date(untilMs).toISOString()}` }];
  const blockers = selectOpenBlockers(sql, task.taskId);
  if (blockers.length > 0) {
    const names = blockers.map((blocker) => `#${blocker.number} (${blocker.status})`).join(", ");
    return [{ code: "blocked", message: `it waits for ${names}` }];
  }
  const runs = selectActiveRuns(sql);
  if (runs.length === 0) return [{ code: "no-run", message: "no run is active; start one with: canopy run" }];
  return runs.map((run) => explainInRun(sql, task, run, nowMs));
}
