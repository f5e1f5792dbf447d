import type { ProjectEvent, Run, RunTotals, Usage } from "@canopy/protocol";
import { ZERO_USAGE, addUsage } from "@canopy/protocol";
import type { DecideContext } from "../kernel/room-definition.ts";
import { selectRun } from "./run-rows.ts";

/** Emits a run with one of its totals raised by one, and by what an attempt has spent. */
export function countInRun(
  context: DecideContext<ProjectEvent>,
  runId: string,
  what: Exclude<keyof RunTotals, "usage" | "steps">,
  spent: { readonly usage: Usage; readonly steps: number } = { usage: ZERO_USAGE, steps: 0 },
): void {
  const run = selectRun(context.sql, runId);
  if (run === undefined) return;
  const totals: RunTotals = {
    ...run.totals,
    [what]: run.totals[what] + 1,
    usage: addUsage(run.totals.usage, spent.usage),
    // Runs of an older journal have none.
    steps: (run.totals.steps ?? 0) + spent.steps,
  };
  const updated: Run = { ...run, totals };
  context.emit({ type: "run.updated", run: updated });
}
