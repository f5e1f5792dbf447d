import type { Attempt, Change, FailureCause, Run, Task } from "@canopy/protocol";
import { formatCost, formatDuration, sanitizeLine } from "../output/format.ts";
import { nameRung } from "../queue/format-change.ts";
import type { RunState } from "./run-state.ts";

/** What came of one task in a run. */
export interface TaskOutcome {
  readonly id: string;
  readonly number: number;
  readonly title: string;
  readonly detail: string;
  /** Why its last attempt failed, null when it did not fail. */
  readonly cause: FailureCause | null;
}

/** A run's end, as `--json` prints it. */
export interface RunSummary {
  readonly run: Run;
  readonly ok: boolean;
  readonly durationMs: number;
  readonly costUsd: number | null;
  readonly integrationBranch: string;
  readonly landed: readonly TaskOutcome[];
  readonly unchanged: readonly TaskOutcome[];
  readonly failed: readonly TaskOutcome[];
  readonly conflicted: readonly TaskOutcome[];
  /** Open tasks that the run was meant for and did not get to. */
  readonly left: readonly TaskOutcome[];
}

function outcome(task: Task, detail: string, cause: FailureCause | null = null): TaskOutcome {
  return { id: task.taskId, number: task.number, title: task.title, detail, cause };
}

function touchedTasks(state: RunState, run: Run): Task[] {
  const ids = new Set(
    [...state.attempts.values()].filter((item) => item.runId === run.runId).map((item) => item.taskId),
  );
  return [...ids].map((id) => state.tasks.get(id)).filter((task) => task !== undefined);
}

type Group = "landed" | "unchanged" | "failed" | "conflicted" | "left";

interface Judgement {
  readonly group: Group;
  readonly detail: string;
  readonly cause?: FailureCause;
}

function judgeTask(state: RunState, run: Run, task: Task): Judgement {
  const ofTask = (item: Attempt | Change): boolean => item.taskId === task.taskId && item.runId === run.runId;
  const change = [...state.changes.values()].findLast((item) => ofTask(item));
  if (change?.state === "landed") return { group: "landed", detail: change.landedCommit ?? "" };
  if (change?.state === "conflicted") {
    const files = change.conflicts.map((file) => `${file.path} (${file.kind})`);
    return { group: "conflicted", detail: `${files.join(", ")}${describeTries(change)}` };
  }
  if (task.status === "closed") return { group: "unchanged", detail: task.closeReason ?? "" };
  const attempt = [...state.attempts.values()].findLast((item) => ofTask(item));
  return judgeFailure(change, attempt);
}

/** Which rungs of the ladder did not help, in words. */
function describeTries(change: Change): string {
  const failed = change.ladder.slice(change.ladderFrom).filter((step) => step.outcome === "failed");
  const names = [...new Set(failed.map((step) => nameRung(step.rung)))];
  return names.length === 0 ? "" : `; tried without success: ${names.join(", ")}`;
}

function judgeFailure(change: Change | undefined, attempt: Attempt | undefined): Judgement {
  if (attempt?.parkedFor != null) return { group: "left", detail: "it waits for your answer: canopy inbox" };
  const failure = attempt?.failure ?? null;
  const reason = change?.reason ?? failure?.message ?? attempt?.state ?? "not finished";
  const detail = change === undefined ? reason : `${reason}${describeTries(change)}`;
  return failure === null ? { group: "failed", detail } : { group: "failed", detail, cause: failure.cause };
}

/** Puts together what became of every task of a run. `why` says why an open task did not run. */
export function summarizeRun(state: RunState, run: Run, why: ReadonlyMap<string, string>): RunSummary {
  const groups: Record<Group, TaskOutcome[]> = {
    landed: [],
    unchanged: [],
    failed: [],
    conflicted: [],
    left: [],
  };
  const touched = touchedTasks(state, run).sort((left, right) => left.number - right.number);
  for (const task of touched) {
    const { group, detail, cause } = judgeTask(state, run, task);
    groups[group].push(outcome(task, detail, cause));
  }
  const touchedIds = new Set<string>(touched.map((task) => task.taskId));
  for (const [taskId, reason] of why) {
    const task = touchedIds.has(taskId) ? undefined : state.tasks.get(taskId);
    if (task !== undefined) groups.left.push(outcome(task, reason));
  }
  const { failed, conflicted, left } = groups;
  return {
    run,
    ok: run.state === "completed" && failed.length + conflicted.length + left.length === 0,
    durationMs: (run.finishedAtMs ?? Date.now()) - run.startedAtMs,
    costUsd: run.totals.usage.costUsd,
    integrationBranch: run.integrationRef.replace("refs/heads/", ""),
    ...groups,
  };
}

/** The exit code of a run that nobody interrupted: 2 when the agent could not be started at all, 1 when work failed. */
export function exitCodeOf(summary: RunSummary): 0 | 1 | 2 {
  if (summary.ok) return 0;
  const { failed, landed, conflicted } = summary;
  const isMisconfigured = failed.length > 0 && failed.every((item) => item.cause === "configuration");
  return isMisconfigured && landed.length + conflicted.length === 0 ? 2 : 1;
}

function section(title: string, outcomes: readonly TaskOutcome[]): string[] {
  if (outcomes.length === 0) return [];
  return [
    "",
    title,
    ...outcomes.map(
      (item) =>
        `  #${String(item.number).padEnd(4)} ${sanitizeLine(item.title)}: ${sanitizeLine(item.detail)}`,
    ),
  ];
}

/** The end of a run for people: what landed, what did not, where the work is, and what to type next. */
export function formatSummary(summary: RunSummary): string {
  const { landed, unchanged, failed, conflicted, left, run } = summary;
  const counts = [
    `${landed.length} landed`,
    ...(unchanged.length > 0 ? [`${unchanged.length} needed no change`] : []),
    ...(failed.length > 0 ? [`${failed.length} failed`] : []),
    ...(conflicted.length > 0 ? [`${conflicted.length} conflicted`] : []),
    ...(left.length > 0 ? [`${left.length} not run`] : []),
  ];
  const isNothing = summary.run.totals.attempts === 0 && left.length === 0;
  if (isNothing) return "nothing to do: no task is ready for this run (see: canopy task list)";
  const lines = [
    `${run.state === "completed" ? "done" : "stopped"}: ${counts.join(", ")} in ${formatDuration(summary.durationMs)}, cost ${formatCost(summary.costUsd)}`,
    ...section("failed", failed),
    ...section("conflicted (kept; see: canopy queue show NUMBER)", conflicted),
    ...section("not run", left),
    "",
  ];
  if (landed.length > 0) {
    lines.push(
      `The work is on ${summary.integrationBranch}; your checkout was not touched.`,
      `Look at it:   git log --oneline ${run.options.baseBranch}..${summary.integrationBranch}`,
      "Take it over: canopy deliver",
    );
  }
  if (failed.length > 0)
    lines.push("Look into it: canopy task show NUMBER   (then: canopy task reopen NUMBER)");
  return lines.join("\n").trimEnd();
}
