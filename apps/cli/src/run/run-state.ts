import type { Attempt, Change, Run, Session, Task } from "@canopy/protocol";
import { describeChange } from "./describe-change.ts";

/** What an event of the project room may carry, as far as a run's display cares. */
interface EventPayload {
  readonly task?: Task;
  readonly run?: Run;
  readonly attempt?: Attempt;
  readonly change?: Change;
  readonly session?: Session;
}

/** What one step of a run was, for people. */
export interface RunStep {
  readonly kind:
    | "started"
    | "finished"
    | "landed"
    | "conflicted"
    | "failing"
    | "working"
    | "resolved"
    | "aside"
    | "failed"
    | "retry"
    | "unchanged"
    | "killed"
    | "blocked";
  readonly task: Task | undefined;
  readonly attempt: Attempt | undefined;
  readonly text: string;
}

/** A copy of what a run is about, kept up to date by events that carry full values. */
export class RunState {
  readonly tasks = new Map<string, Task>();
  readonly attempts = new Map<string, Attempt>();
  readonly changes = new Map<string, Change>();
  readonly activity = new Map<string, string>();
  run: Run | null = null;
  seq = 0;
  /** Levels of the sandbox at which agents that started since were put. */
  readonly levels = new Set<string>();

  /** Starts anew from a snapshot. */
  load(snapshot: unknown, runId: string | null): void {
    const { seq, state } = parseSnapshot(snapshot);
    this.seq = seq;
    for (const task of state.tasks) this.tasks.set(task.taskId, task);
    for (const attempt of state.attempts) this.attempts.set(attempt.attemptId, attempt);
    for (const change of state.changes) this.changes.set(change.changeId, change);
    if (runId !== null) this.run = state.runs.find((run) => run.runId === runId) ?? this.run;
  }

  /** Takes one event; returns what it means for the run with this id, or null. */
  apply(event: unknown, runId: string | null): RunStep | null {
    const { seq, type, payload } = parseEvent(event);
    this.seq = Math.max(this.seq, seq);
    if (payload.task !== undefined) this.tasks.set(payload.task.taskId, payload.task);
    if (payload.run !== undefined && payload.run.runId === runId) this.run = payload.run;
    const level = payload.session?.sandboxLevel ?? null;
    if (level !== null) this.levels.add(level);
    const before = payload.change === undefined ? undefined : this.changes.get(payload.change.changeId);
    if (payload.attempt !== undefined) this.attempts.set(payload.attempt.attemptId, payload.attempt);
    if (payload.change !== undefined) this.changes.set(payload.change.changeId, payload.change);
    const subject = payload.attempt ?? payload.change;
    if (subject === undefined || subject.runId !== runId) return null;
    const task = this.tasks.get(subject.taskId);
    if (payload.attempt !== undefined) return describeAttempt(type, payload.attempt, task);
    if (payload.change !== undefined) return describeChange({ type, change: payload.change, before, task });
    return null;
  }

  /** Attempts of the run that are at work, oldest first. */
  activeAttempts(): Attempt[] {
    return [...this.attempts.values()].filter(
      (attempt) =>
        attempt.runId === this.run?.runId && (attempt.state === "queued" || attempt.state === "running"),
    );
  }
}

function countFiles(count: number): string {
  return `${count} ${count === 1 ? "file" : "files"} changed`;
}

/** An agent's name without its command line. */
function shortAgent(agent: string): string {
  return agent.replace(/^(command|scripted):.*$/s, "$1");
}

function describeStart(attempt: Attempt): string {
  const again = attempt.number > 1 ? ` (attempt ${attempt.number})` : "";
  return `${shortAgent(attempt.agent)} in ${attempt.workspaceBackend ?? "a workspace"}${again}`;
}

function describeEnd(attempt: Attempt): Pick<RunStep, "kind" | "text"> {
  switch (attempt.state) {
    case "succeeded":
      return { kind: "finished", text: countFiles(attempt.capture?.filesChanged ?? 0) };
    case "unchanged":
      return { kind: "unchanged", text: "nothing was changed" };
    case "killed":
      return { kind: "killed", text: "ended by a person" };
    case "interrupted":
      return { kind: "retry", text: "interrupted; its work is kept" };
    default:
      return {
        kind: "failed",
        text: `${attempt.failure?.cause ?? "failed"}: ${attempt.failure?.message ?? ""}`,
      };
  }
}

function describeAttempt(type: string, attempt: Attempt, task: Task | undefined): RunStep | null {
  // What becomes of work on a stuck change is told by the change.
  if (attempt.ladder != null && attempt.state !== "killed") return null;
  if (type === "attempt.started") return { kind: "started", task, attempt, text: describeStart(attempt) };
  return type === "attempt.ended" ? { task, attempt, ...describeEnd(attempt) } : null;
}

interface Snapshot {
  readonly seq: number;
  readonly state: {
    readonly tasks: readonly Task[];
    readonly runs: readonly Run[];
    readonly attempts: readonly Attempt[];
    readonly changes: readonly Change[];
  };
}

/** Frames of our own daemon, whose version was checked when the connection was made. */
function parseSnapshot(value: unknown): Snapshot {
  return value as Snapshot;
}

function parseEvent(value: unknown): {
  readonly seq: number;
  readonly type: string;
  readonly payload: EventPayload;
} {
  return value as { seq: number; type: string; payload: EventPayload };
}
