import type { Attempt, Json, ProjectCommand, ProjectEvent, Run, RunOptions } from "@canopy/protocol";
import { ZERO_USAGE, reject } from "@canopy/protocol";
import type { DecideAnswer, DecideContext } from "../kernel/room-definition.ts";
import { accept } from "../kernel/room-definition.ts";
import { cancelJob, selectActiveJobOf } from "../jobs/job-feature.ts";
import { resolveTask } from "../tasks/resolve-task.ts";
import { endAttempt } from "./end-attempt.ts";
import {
  ACTIVE_RUN_STATES,
  isFinal,
  selectActiveAttempts,
  selectAttempt,
  selectAttemptsOfRun,
  selectRun,
} from "./run-rows.ts";

type Context = DecideContext<ProjectEvent>;
type Command<T extends ProjectCommand["type"]> = Extract<ProjectCommand, { type: T }>;

/** The integration branch that follows a branch of the user's. */
export function integrationRefOf(baseBranch: string): string {
  return `refs/heads/canopy/${baseBranch}`;
}

/** Starts a run. Scheduling follows by itself. */
export function decideStartRun(context: Context, command: Command<"run.start">): DecideAnswer {
  const options: RunOptions = command.options;
  const run: Run = {
    runId: context.newId("run"),
    state: "running",
    options,
    integrationRef: integrationRefOf(options.baseBranch),
    startedBy: context.actor.id,
    startedAtMs: context.nowMs,
    finishedAtMs: null,
    totals: {
      attempts: 0,
      landed: 0,
      unchanged: 0,
      failed: 0,
      conflicted: 0,
      killed: 0,
      usage: ZERO_USAGE,
      steps: 0,
    },
  };
  context.emit({ type: "run.started", run });
  return accept({ run: run as unknown as Json });
}

/** Stops a run: `drain` starts nothing new; `now` also ends what runs, and keeps its work. */
export function decideStopRun(context: Context, command: Command<"run.stop">): DecideAnswer {
  const run = selectRun(context.sql, command.runId);
  if (run === undefined) return reject("run.not-found", `no run ${command.runId}`);
  if (!ACTIVE_RUN_STATES.includes(run.state)) {
    return reject("run.not-active", `run ${run.runId} is ${run.state} already`);
  }
  const state = command.mode === "now" ? "stopping" : "draining";
  if (run.state === "stopping" || run.state === state) return accept({ run: run as unknown as Json });
  const stopped: Run = { ...run, state };
  context.emit({ type: "run.updated", run: stopped });
  for (const attempt of selectAttemptsOfRun(context.sql, run.runId)) {
    if (isFinal(attempt.state)) continue;
    if (command.mode === "now" || attempt.state === "queued") stopAttempt(context, attempt, "stop");
  }
  return accept({ run: stopped as unknown as Json });
}

function stopAttempt(context: Context, attempt: Attempt, how: "kill" | "stop"): void {
  const job = selectActiveJobOf(context.sql, attempt.attemptId);
  if (job === undefined || cancelJob(context, job, how) === "asked") return;
  endAttempt(context, attempt, {
    lost: [],
    outcome: how === "kill" ? "killed" : "interrupted",
    baseCommit: attempt.baseCommit,
    capture: attempt.capture,
    failure: null,
    summary: "ended before it started",
    usage: ZERO_USAGE,
    parkedFor: null,
    steps: 0,
  });
}

function findAttempt(context: Context, target: string): Attempt | DecideAnswer {
  const exact = selectAttempt(context.sql, target);
  if (exact !== undefined) return exact;
  const active = selectActiveAttempts(context.sql);
  const part = target.toLowerCase();
  const fitting = active.filter((attempt) => part.length >= 4 && attempt.attemptId.includes(part));
  if (fitting.length > 1) {
    return reject("task.ambiguous", `'${target}' fits several attempts`, "give more of the id");
  }
  const [only] = fitting;
  if (only !== undefined) return only;
  const resolved = resolveTask(context.sql, target);
  if (resolved.type === "rejection") {
    return resolved.code === "task.ambiguous"
      ? resolved
      : reject("attempt.not-found", `no attempt or task '${target}'`);
  }
  const ofTask = active.find((attempt) => attempt.taskId === resolved.task.taskId);
  return ofTask ?? reject("attempt.not-active", `nothing runs for task #${resolved.task.number}`);
}

/** Ends one attempt. A kill by a person is no failure: it is not counted, and this run does not retry the task. */
export function decideKillAttempt(context: Context, command: Command<"attempt.kill">): DecideAnswer {
  const found = findAttempt(context, command.target);
  if ("type" in found) return found;
  if (isFinal(found.state))
    return reject("attempt.not-active", `attempt ${found.attemptId} is ${found.state} already`);
  stopAttempt(context, found, "kill");
  return accept({ attemptId: found.attemptId, taskId: found.taskId });
}
