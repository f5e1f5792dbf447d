import type { Change, ProjectEvent, Stack } from "@canopy/protocol";
import { cancelJob, selectJob } from "../jobs/job-feature.ts";
import type { DecideContext } from "../kernel/room-definition.ts";
import { selectChange } from "./change-rows.ts";
import { selectStack, selectStacks, selectTrials } from "./stack-rows.ts";

type Context = DecideContext<ProjectEvent>;

/** Lane of everything that shares paths with all other lanes. */
export const COMMON_LANE = "*";

/** The lane of a change: the names of its scopes, or the common lane. */
export function laneOf(scopes: readonly string[] | null): string {
  return scopes === null || scopes.length === 0 ? COMMON_LANE : [...scopes].sort().join(",");
}

/** True when changes of these scopes may touch the same paths. */
export function doScopesMeet(left: readonly string[] | null, right: readonly string[] | null): boolean {
  if (left === null || right === null || left.length === 0 || right.length === 0) return true;
  return left.some((scope) => right.includes(scope));
}

/** Emits a change with some of its fields changed, and returns it. */
export function updateChange(context: Context, change: Change, fields: Partial<Change>): Change {
  const updated: Change = { ...change, ...fields };
  context.emit({ type: "change.updated", change: updated });
  return updated;
}

/** Ends the validations of trees that nothing waits for any more. Their results still count when they come. */
export function cancelTrials(context: Context, keys: ReadonlySet<string>): void {
  for (const trial of selectTrials(context.sql)) {
    const job = keys.has(trial.key) ? selectJob(context.sql, trial.jobId) : undefined;
    if (job !== undefined && job.cancelRequested === null) cancelJob(context, job, "stop");
  }
}

/**
 * Takes the candidates from an index on off a stack: their changes wait again (but for `except`, whose state the caller
 * decides), and validations that only they needed end.
 */
export function cutStack(context: Context, stack: Stack, from: number, except?: string): Stack {
  const dropped = stack.candidates.slice(from);
  const cut: Stack = { ...stack, candidates: stack.candidates.slice(0, from) };
  if (dropped.length === 0) return stack;
  context.emit({ type: "stack.changed", stack: cut });
  const kept = new Set(cut.candidates.map((candidate) => candidate.key));
  cancelTrials(context, new Set(dropped.map(({ key }) => key).filter((key) => !kept.has(key))));
  for (const { changeId } of dropped) {
    const change = changeId === except ? undefined : selectChange(context.sql, changeId);
    if (change?.state === "testing") updateChange(context, change, { state: "queued" });
  }
  return cut;
}

/** Takes the candidates of every lane of a branch off, for example because somebody else moved it. */
export function resetStacks(context: Context, integrationRef: string, exceptLane?: string): void {
  for (const stack of selectStacks(context.sql)) {
    if (stack.integrationRef !== integrationRef || stack.lane === exceptLane) continue;
    // What was validated is remembered by its key, so validations at work go on: most trees will come again.
    if (stack.candidates.length === 0) continue;
    context.emit({ type: "stack.changed", stack: { ...stack, candidates: [] } });
    for (const { changeId } of stack.candidates) {
      const change = selectChange(context.sql, changeId);
      if (change?.state === "testing") updateChange(context, change, { state: "queued" });
    }
  }
}

/** Takes one change, and what stands on it, off its lane's stack. */
export function removeFromStack(context: Context, change: Change): void {
  const stack = selectStack(context.sql, change.integrationRef, laneOf(change.scopes));
  const index = stack?.candidates.findIndex((candidate) => candidate.changeId === change.changeId) ?? -1;
  if (stack !== undefined && index >= 0) cutStack(context, stack, index, change.changeId);
}

/** The window after a red candidate. */
export function narrowWindow(stack: Stack): Stack {
  return { ...stack, window: Math.max(1, Math.floor(stack.window / 2)) };
}
