import type { Attempt, ProjectEvent, Run, SessionId, Task } from "@canopy/protocol";
import { ZERO_USAGE } from "@canopy/protocol";
import { queueJob } from "../jobs/job-feature.ts";
import type { DecideContext } from "../kernel/room-definition.ts";
import { registerSession, reopenSession } from "../sessions/session-feature.ts";
import { countAttempts } from "./run-rows.ts";

/** What an attempt is to be. */
export interface AttemptPlan extends Pick<Attempt, "role" | "agent" | "model" | "ladder"> {
  readonly run: Run;
  readonly task: Task;
  /** The session that goes on; null for one of its own. */
  readonly sessionId: SessionId | null;
}

/** Emits a new attempt of a task with its session and its job, and returns it. */
export function queueAttempt(context: DecideContext<ProjectEvent>, plan: AttemptPlan): Attempt {
  const { run, task, role, agent, model, ladder } = plan;
  const attempt: Attempt = {
    attemptId: context.newId("attempt"),
    taskId: task.taskId,
    runId: run.runId,
    sessionId: plan.sessionId ?? context.newId("session"),
    number: countAttempts(context.sql, task.taskId) + 1,
    role,
    ladder,
    agent,
    model,
    state: "queued",
    baseCommit: null,
    workspaceBackend: null,
    capture: null,
    failure: null,
    summary: "",
    parkedFor: null,
    steps: 0,
    usage: ZERO_USAGE,
    queuedAtMs: context.nowMs,
    startedAtMs: null,
    endedAtMs: null,
  };
  context.emit({ type: "attempt.queued", attempt });
  if (plan.sessionId === null) registerSession(context, attempt, task);
  else reopenSession(context, attempt);
  queueJob(context, "attempt", [attempt.attemptId]);
  return attempt;
}
