import type { Change } from "@canopy/protocol";

const PRIORITY_WEIGHT = 1000;
const AGE_POINTS_PER_MINUTE = 20;
const FILES_WEIGHT = 100;
const RETRY_PENALTY = 50;

/** A change that was overtaken this often by later ones goes before everything that a person did not put first. */
export const MAX_OVERTAKEN = 16;

/** What orderChanges weighs of one change. */
export interface QueuedChange {
  readonly change: Pick<Change, "changeId" | "boost" | "filesChanged" | "queuedAtMs" | "revision">;
  /** Of its task: 0 is the most urgent, 4 the least. */
  readonly priority: number;
  /** How many changes that came later were taken before it. */
  readonly overtakenCount: number;
}

/**
 * How soon a change should land; higher is sooner: priority first, then age; large changes and those that came back
 * wait a little, for they are likelier to break something.
 */
export function scoreChange({ change, priority }: QueuedChange, nowMs: number): number {
  const ageMinutes = Math.max(0, nowMs - change.queuedAtMs) / 60_000;
  return (
    (4 - priority) * PRIORITY_WEIGHT +
    ageMinutes * AGE_POINTS_PER_MINUTE -
    Math.log2(1 + change.filesChanged) * FILES_WEIGHT -
    change.revision * RETRY_PENALTY
  );
}

/**
 * Puts changes in landing order (the input is in order of arrival, which breaks ties): what a person put first; then
 * what was overtaken too often, oldest first, so that nothing starves; then by score.
 */
export function orderChanges<T extends QueuedChange>(queued: readonly T[], nowMs: number): T[] {
  const judged = queued.map((item, position) => ({
    item,
    position,
    isOverdue: item.overtakenCount >= MAX_OVERTAKEN,
    score: scoreChange(item, nowMs),
  }));
  judged.sort((left, right) => {
    const byBoost = right.item.change.boost - left.item.change.boost;
    if (byBoost !== 0) return byBoost;
    if (left.isOverdue !== right.isOverdue) return left.isOverdue ? -1 : 1;
    if (left.isOverdue) return left.position - right.position;
    return right.score - left.score || left.position - right.position;
  });
  return judged.map(({ item }) => item);
}
