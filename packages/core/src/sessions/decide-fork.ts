import type { Attempt, ForkJob, ProjectCommand, ProjectEvent, Task } from "@canopy/protocol";
import { MAX_TITLE_CHARS, reject } from "@canopy/protocol";
import type { DecideAnswer, DecideContext } from "../kernel/room-definition.ts";
import { selectChangesOfTask } from "../merge-queue/change-rows.ts";
import type { Sql } from "../kernel/sql.ts";
import { selectAttempt } from "../runs/run-rows.ts";
import { createBlankTask } from "../tasks/blank-task.ts";
import { taskResult } from "../tasks/decide-task.ts";
import { selectNextTaskNumber } from "../tasks/select-tasks.ts";
import { selectSession } from "./session-feature.ts";

/** Makes a task whose session begins with another's conversation; that one is left as it is. */
export function decideForkSession(
  context: DecideContext<ProjectEvent>,
  command: Extract<ProjectCommand, { type: "session.fork" }>,
): DecideAnswer {
  const { sessionId, throughTurnId, prompt, images } = command;
  const session = selectSession(context.sql, sessionId);
  if (session === undefined) return reject("session.not-found", `no session ${sessionId}`);
  const agent = command.agent ?? session.agent;
  const title = command.title ?? `Fork of: ${session.title}`.slice(0, MAX_TITLE_CHARS).toWellFormed();
  const task: Task = {
    ...createBlankTask(context, { number: selectNextTaskNumber(context.sql), title }),
    description: prompt,
    agent,
    // A model goes with the agent that it was said for.
    model: command.model ?? (agent === session.agent ? session.model : null),
    ...(images === undefined ? {} : { images }),
    forkOf: { sessionId, throughTurnId, attemptId: session.attemptId },
  };
  context.emit({ type: "task.created", task });
  return taskResult(task);
}

/** The work of the original that has not landed: what its attempt had captured. What has landed is on the branch. */
function selectOpenWork(sql: Sql, attemptId: string | null): ForkJob["work"] {
  const attempt = attemptId === null ? undefined : selectAttempt(sql, attemptId);
  if (attempt?.capture == null || attempt.baseCommit === null) return null;
  const change = selectChangesOfTask(sql, attempt.taskId).find((other) => other.attemptId === attemptId);
  if (change?.state === "landed") return null;
  return { baseCommit: attempt.baseCommit, commit: attempt.capture.commit };
}

function selectAtWork(sql: Sql, attemptId: string | null): ForkJob["atWork"] {
  const attempt = attemptId === null ? undefined : selectAttempt(sql, attemptId);
  if (attempt?.state !== "running" || attempt.baseCommit === null) return null;
  return { attemptId: attempt.attemptId, baseCommit: attempt.baseCommit };
}

/** What an attempt of a forked task begins with; null for other tasks, and for work on a change of it. */
export function buildFork(sql: Sql, task: Task, attempt: Attempt): ForkJob | null {
  const { forkOf } = task;
  if (forkOf === undefined || attempt.ladder != null) return null;
  const { sessionId, throughTurnId, attemptId } = forkOf;
  const session = selectSession(sql, sessionId);
  // One that went on since has more in its memory than the fork shall know.
  const isOver = session?.state === "ended" && session.attemptId === attemptId;
  return {
    sessionId,
    throughTurnId,
    isWhole: isOver && session.agent === attempt.agent,
    work: selectOpenWork(sql, attemptId),
    atWork: selectAtWork(sql, attemptId),
  };
}
