import type { Sql } from "../kernel/sql.ts";
import { HOLDING_KINDS, selectDependenciesOf, selectDependentsOf } from "./select-tasks.ts";

/**
 * The cycle that `taskId -> dependsOnId` would close among dependencies that hold tasks back: task ids from `taskId`
 * back to itself, or null.
 */
export function findCycle(sql: Sql, taskId: string, dependsOnId: string): string[] | null {
  // What nothing waits for closes no cycle: mostly the case, and it keeps the import of a long chain from being quadratic.
  if (!selectDependentsOf(sql, taskId).some(({ kind }) => HOLDING_KINDS.has(kind))) return null;
  const cameFrom = new Map<string, string>([[dependsOnId, taskId]]);
  const pending = [dependsOnId];
  for (let current = pending.pop(); current !== undefined; current = pending.pop()) {
    if (current === taskId) return tracePath(cameFrom, taskId, dependsOnId);
    for (const dependency of selectDependenciesOf(sql, current)) {
      if (!HOLDING_KINDS.has(dependency.kind) || cameFrom.has(dependency.dependsOnId)) continue;
      cameFrom.set(dependency.dependsOnId, current);
      pending.push(dependency.dependsOnId);
    }
  }
  return null;
}

function tracePath(cameFrom: ReadonlyMap<string, string>, end: string, start: string): string[] {
  const path = [end];
  for (let step = cameFrom.get(end); step !== undefined && step !== end; step = cameFrom.get(step)) {
    path.unshift(step);
    if (step === start) break;
  }
  return [end, ...path];
}
