import type { Attempt, AttemptJob, Run, Spent } from "@canopy/protocol";
import { ZERO_USAGE, addUsage } from "@canopy/protocol";
import type { Sql } from "../kernel/sql.ts";
import { countBudgetGrants } from "../inquiries/inquiry-feature.ts";
import { selectActiveRuns, selectRuns } from "./run-rows.ts";

const DAY_MS = 86_400_000;

function sumAttempts(attempts: readonly Attempt[]): Spent {
  return attempts.reduce<Spent>(
    (sum, { usage, steps, startedAtMs, endedAtMs }) => ({
      usage: addUsage(sum.usage, usage),
      // Attempts of an older journal have no steps.
      steps: sum.steps + (steps ?? 0),
      timeMs: sum.timeMs + (startedAtMs === null || endedAtMs === null ? 0 : endedAtMs - startedAtMs),
    }),
    { usage: ZERO_USAGE, steps: 0, timeMs: 0 },
  );
}

/** The totals that runs keep anyway: looking at every attempt of a long day for every new one would cost too much. */
function sumRuns(runs: readonly Run[], nowMs: number): Spent {
  return runs.reduce<Spent>(
    (sum, run) => ({
      usage: addUsage(sum.usage, run.totals.usage),
      steps: sum.steps + (run.totals.steps ?? 0),
      timeMs: sum.timeMs + (run.finishedAtMs ?? nowMs) - run.startedAtMs,
    }),
    { usage: ZERO_USAGE, steps: 0, timeMs: 0 },
  );
}

/**
 * What was spent before an attempt begins, by session, task, run and day. A day is one of UTC, and holds the runs that began
 * on it or are active.
 */
export function selectSpent(
  sql: Sql,
  subject: {
    readonly attempt: Attempt;
    readonly run: Run;
    readonly earlier: readonly Attempt[];
    readonly nowMs: number;
  },
): AttemptJob["spent"] {
  const { attempt, run, earlier, nowMs } = subject;
  const today = selectRuns(sql, { sinceMs: nowMs - (nowMs % DAY_MS) });
  const older = selectActiveRuns(sql).filter((other) => today.every((each) => each.runId !== other.runId));
  return {
    session: sumAttempts(earlier.filter((other) => other.sessionId === attempt.sessionId)),
    task: sumAttempts(earlier),
    run: sumRuns([run], nowMs),
    day: sumRuns([...today, ...older], nowMs),
    grants: countBudgetGrants(sql, attempt.taskId),
  };
}
