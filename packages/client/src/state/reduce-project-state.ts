import type {
  Attempt,
  Dependency,
  Hold,
  Overlap,
  ProjectEvent,
  ProjectState,
  Run,
  Session,
  Task,
} from "@canopy/protocol";
import { reduceCoordination } from "./reduce-coordination.ts";
import type { Order } from "./upsert.ts";
import { compareText, upsertAtEnd, upsertSorted } from "./upsert.ts";

const byNumber: Order<Task> = (left, right) => left.number - right.number;
const byTasks: Order<Dependency> = (left, right) =>
  compareText(left.taskId, right.taskId) || compareText(left.dependsOnId, right.dependsOnId);
const byTaskAndRun: Order<Hold> = (left, right) =>
  compareText(left.taskId, right.taskId) || compareText(left.runId ?? "", right.runId ?? "");
const byNewest: Order<Run> = (left, right) =>
  right.startedAtMs - left.startedAtMs || compareText(right.runId, left.runId);
const byAttemptId: Order<Attempt> = (left, right) => compareText(left.attemptId, right.attemptId);
const bySessionId: Order<Session> = (left, right) => compareText(left.sessionId, right.sessionId);

/** By session; a session's own stay in the order in which they were told. */
function sortOverlaps(overlaps: readonly Overlap[]): Overlap[] {
  return overlaps.toSorted((left, right) => compareText(left.attemptId, right.attemptId));
}

function isSameDependency(left: Dependency, right: Dependency): boolean {
  return left.taskId === right.taskId && left.dependsOnId === right.dependsOnId;
}

function reduceHolds(state: ProjectState, event: ProjectEvent): ProjectState {
  if (event.type === "hold.placed")
    return { ...state, holds: upsertSorted(state.holds, event.hold, byTaskAndRun) };
  if (event.type !== "hold.lifted") return state;
  const { taskId, runId } = event;
  // Lifted for all runs when no run is named.
  const isLifted = (hold: Hold): boolean =>
    hold.taskId === taskId && (runId === null || hold.runId === runId);
  return { ...state, holds: state.holds.filter((hold) => !isLifted(hold)) };
}

function reduceDependencies(state: ProjectState, event: ProjectEvent): ProjectState {
  if (event.type === "dependency.added") {
    return { ...state, dependencies: upsertSorted(state.dependencies, event.dependency, byTasks) };
  }
  if (event.type !== "dependency.removed") return state;
  const { dependency } = event;
  return {
    ...state,
    dependencies: state.dependencies.filter((other) => !isSameDependency(other, dependency)),
  };
}

function reduceRun(state: ProjectState, event: Extract<ProjectEvent, { run: Run }>): ProjectState {
  const runs = upsertSorted(state.runs, event.run, byNewest);
  if (event.type !== "run.finished") return { ...state, runs };
  return { ...state, runs, holds: state.holds.filter((hold) => hold.runId !== event.run.runId) };
}

/**
 * The state after an event. Events carry full values, so this is the same fold that the server's tables are: snapshot
 * plus events equals a later snapshot, order included. Events that change nothing a client sees return the same state.
 */
export function reduceProjectState(state: ProjectState, event: ProjectEvent): ProjectState {
  if ("task" in event) return { ...state, tasks: upsertSorted(state.tasks, event.task, byNumber) };
  if ("run" in event) return reduceRun(state, event);
  if ("attempt" in event) {
    const attempts = upsertSorted(state.attempts, event.attempt, byAttemptId);
    if (event.type !== "attempt.ended") return { ...state, attempts };
    const overlaps = state.overlaps.filter((overlap) => overlap.attemptId !== event.attempt.attemptId);
    return { ...state, attempts, overlaps };
  }
  if (event.type === "radar.changed") {
    const others = state.overlaps.filter((overlap) => overlap.attemptId !== event.attemptId);
    return { ...state, overlaps: sortOverlaps([...others, ...event.overlaps]) };
  }
  if ("inquiry" in event) {
    const { inquiry } = event;
    const others = state.inquiries.filter((other) => other.inquiryId !== inquiry.inquiryId);
    return { ...state, inquiries: inquiry.state === "open" ? [...others, inquiry] : others };
  }
  if ("session" in event)
    return { ...state, sessions: upsertSorted(state.sessions, event.session, bySessionId) };
  if ("change" in event) {
    const { change } = event;
    const changes = upsertAtEnd(state.changes, change, (other) => other.changeId === change.changeId);
    return { ...state, changes };
  }
  return reduceCoordination(reduceHolds(reduceDependencies(state, event), event), event);
}
