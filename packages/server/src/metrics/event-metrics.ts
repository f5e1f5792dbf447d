import type { Attempt, Change, FailureCause, ProjectEvent, Run } from "@canopy/protocol";
import type { Registry } from "prom-client";
import { Counter, Histogram } from "prom-client";

const TASK_BUCKETS = [1, 5, 10, 30, 60, 300, 600, 1800, 3600];
const WAIT_BUCKETS = [0.1, 0.5, 1, 5, 10, 30, 60, 300, 600, 1800];
/** Tasks whose last failure is remembered until they are tried again. */
const MAX_REMEMBERED_TASKS = 10_000;

/** Names of the label `status` for a finished attempt, as dashboards of the field know them. */
const STATUS_BY_STATE: Partial<Record<Attempt["state"], string>> = {
  succeeded: "success",
  unchanged: "success",
  failed: "failure",
  killed: "killed",
  interrupted: "interrupted",
};

function createAttemptObserver(registry: Registry): (attempt: Attempt) => void {
  const registers = [registry];
  const durations = new Histogram({
    name: "canopy_task_duration_seconds",
    help: "Time that an agent worked on a task, one attempt each",
    labelNames: ["status"],
    buckets: TASK_BUCKETS,
    registers,
  });
  const tokens = new Counter({
    name: "canopy_tokens_total",
    help: "Tokens of finished attempts",
    labelNames: ["agent", "kind"],
    registers,
  });
  const cost = new Counter({
    name: "canopy_cost_usd_total",
    help: "Money of finished attempts, as far as agents say it",
    labelNames: ["agent"],
    registers,
  });
  const failures = new Counter({
    name: "canopy_attempt_failures_total",
    help: "Failed attempts by cause",
    labelNames: ["cause"],
    registers,
  });
  return (attempt) => {
    const { startedAtMs, endedAtMs, usage } = attempt;
    const status = STATUS_BY_STATE[attempt.state] ?? attempt.state;
    if (startedAtMs !== null && endedAtMs !== null)
      durations.observe({ status }, (endedAtMs - startedAtMs) / 1000);
    const agent = nameOfAgent(attempt.agent);
    tokens.inc({ agent, kind: "input" }, usage.inputTokens);
    tokens.inc({ agent, kind: "output" }, usage.outputTokens);
    tokens.inc({ agent, kind: "cache_read" }, usage.cacheReadTokens);
    tokens.inc({ agent, kind: "cache_write" }, usage.cacheWriteTokens);
    cost.inc({ agent }, usage.costUsd ?? 0);
    if (attempt.failure !== null) failures.inc({ cause: attempt.failure.cause });
  };
}

/** An agent's command may hold anything, secrets too, and would make a label of every command: only its kind is kept. */
function nameOfAgent(agent: string): string {
  const colon = agent.indexOf(":");
  return colon === -1 ? agent.slice(0, 60) : agent.slice(0, colon);
}

function createRetryObserver(registry: Registry): {
  failed(attempt: Attempt): void;
  queued(attempt: Attempt): void;
} {
  const retries = new Counter({
    name: "canopy_retries_total",
    help: "Attempts that try a task again, by the cause of the failure before",
    labelNames: ["cause"],
    registers: [registry],
  });
  const causes = new Map<string, FailureCause>();
  return {
    failed: ({ taskId, failure }) => {
      if (failure === null) return;
      if (causes.size >= MAX_REMEMBERED_TASKS) causes.clear();
      causes.set(taskId, failure.cause);
    },
    queued: ({ taskId, number }) => {
      if (number > 1) retries.inc({ cause: causes.get(taskId) ?? "unknown" });
      causes.delete(taskId);
    },
  };
}

function createChangeObserver(registry: Registry): {
  landed(change: Change): void;
  conflicted(change: Change): void;
} {
  const registers = [registry];
  const landed = new Counter({ name: "canopy_changes_landed_total", help: "Changes that landed", registers });
  const waits = new Histogram({
    name: "canopy_merge_queue_wait_seconds",
    help: "Time from the end of an attempt until its change had landed",
    buckets: WAIT_BUCKETS,
    registers,
  });
  const conflicts = new Counter({
    name: "canopy_merge_conflicts_total",
    help: "Changes that did not merge",
    registers,
  });
  // A rung of the ladder that did not help says again that the same merge conflicts.
  const merges = new Map<string, string>();
  return {
    landed: ({ changeId, queuedAtMs, endedAtMs }) => {
      merges.delete(changeId);
      landed.inc();
      if (endedAtMs !== null) waits.observe((endedAtMs - queuedAtMs) / 1000);
    },
    conflicted: ({ changeId, commit, stuckOn }) => {
      const merge = `${commit} ${stuckOn ?? ""}`;
      if (merges.get(changeId) === merge) return;
      if (merges.size >= MAX_REMEMBERED_TASKS) merges.clear();
      merges.set(changeId, merge);
      conflicts.inc();
    },
  };
}

/** Registers what is counted from events of project rooms; the returned function takes each event once. */
export function createEventMetrics(registry: Registry): (event: ProjectEvent) => void {
  const observeAttempt = createAttemptObserver(registry);
  const retries = createRetryObserver(registry);
  const changes = createChangeObserver(registry);
  const runs = new Counter({
    name: "canopy_runs_total",
    help: "Finished runs by how they ended",
    labelNames: ["state"],
    registers: [registry],
  });
  const countRun = ({ state }: Run): void => runs.inc({ state });
  return (event) => {
    if (event.type === "attempt.ended") {
      observeAttempt(event.attempt);
      retries.failed(event.attempt);
    } else if (event.type === "attempt.queued") retries.queued(event.attempt);
    else if (event.type === "change.landed") changes.landed(event.change);
    else if (event.type === "change.conflicted") changes.conflicted(event.change);
    else if (event.type === "run.finished") countRun(event.run);
  };
}
