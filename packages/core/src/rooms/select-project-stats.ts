import type { Attempt, Usage } from "@canopy/protocol";
import { ZERO_USAGE, addUsage } from "@canopy/protocol";
import type { Sql } from "../kernel/sql.ts";
import { parseColumn, readNumber, readText } from "../kernel/sql.ts";
import { selectChanges } from "../merge-queue/change-rows.ts";
import { isFinal, selectRuns } from "../runs/run-rows.ts";

/** Totals of a project since a time. Durations in ms; `causes` counts failed attempts by cause. */
export interface ProjectStats {
  readonly runCount: number;
  readonly tasksByStatus: Readonly<Record<string, number>>;
  readonly attemptsByState: Readonly<Record<string, number>>;
  readonly failuresByCause: Readonly<Record<string, number>>;
  readonly changesByState: Readonly<Record<string, number>>;
  readonly filesChanged: number;
  readonly usage: Usage;
  readonly attemptDurationMs: {
    readonly count: number;
    readonly total: number;
    readonly p50: number;
    readonly p95: number;
  };
  readonly queueWaitMs: { readonly count: number; readonly p50: number; readonly p95: number };
}

function countBy<T>(items: readonly T[], key: (item: T) => string | null): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const item of items) {
    const name = key(item);
    if (name !== null) counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** The value below which a share of the (unsorted) values lie, 0 when there are none. */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) return 0;
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

/** Totals of a project over attempts and changes that began at or after `sinceMs`. */
export function selectProjectStats(sql: Sql, sinceMs: number): ProjectStats {
  const attempts = sql
    .exec("SELECT value FROM attempts")
    .map((row) => parseColumn<Attempt>(row, "value"))
    .filter((attempt) => attempt.queuedAtMs >= sinceMs);
  const changes = selectChanges(sql).filter((change) => change.queuedAtMs >= sinceMs);
  const durations = attempts
    .filter((attempt) => isFinal(attempt.state))
    .flatMap((attempt) =>
      attempt.startedAtMs === null || attempt.endedAtMs === null
        ? []
        : [attempt.endedAtMs - attempt.startedAtMs],
    );
  const waits = changes.flatMap((change) =>
    change.state === "landed" && change.endedAtMs !== null ? [change.endedAtMs - change.queuedAtMs] : [],
  );
  const statusRows = sql.exec("SELECT status, COUNT(*) AS count FROM tasks GROUP BY status ORDER BY status");
  return {
    runCount: selectRuns(sql, { sinceMs }).length,
    tasksByStatus: Object.fromEntries(
      statusRows.map((row) => [readText(row, "status"), readNumber(row, "count")]),
    ),
    attemptsByState: countBy(attempts, (attempt) => attempt.state),
    failuresByCause: countBy(attempts, (attempt) => attempt.failure?.cause ?? null),
    changesByState: countBy(changes, (change) => change.state),
    filesChanged: changes.reduce(
      (sum, change) => sum + (change.state === "landed" ? change.filesChanged : 0),
      0,
    ),
    usage: attempts.reduce((sum, attempt) => addUsage(sum, attempt.usage), ZERO_USAGE),
    attemptDurationMs: {
      count: durations.length,
      total: durations.reduce((sum, value) => sum + value, 0),
      p50: percentile(durations, 0.5),
      p95: percentile(durations, 0.95),
    },
    queueWaitMs: { count: waits.length, p50: percentile(waits, 0.5), p95: percentile(waits, 0.95) },
  };
}
