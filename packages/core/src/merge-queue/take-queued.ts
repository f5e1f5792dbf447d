import type { Change, ProjectEvent, Stack } from "@canopy/protocol";
import { queueJob, selectActiveJobOf } from "../jobs/job-feature.ts";
import type { DecideContext } from "../kernel/room-definition.ts";
import type { Sql } from "../kernel/sql.ts";
import { selectOpenBlockers, selectTask } from "../tasks/select-tasks.ts";
import {
  countOvertakers,
  selectChangesByState,
  selectChangesInLanding,
  selectOpenLandings,
  selectQueuePause,
  selectQueuedRefs,
  selectQueuedWithDependencies,
} from "./change-rows.ts";
import { COMMON_LANE, doScopesMeet, laneOf, updateChange } from "./edit-stack.ts";
import { orderChanges } from "./order-changes.ts";
import { selectStack, selectStacks } from "./stack-rows.ts";

type Context = DecideContext<ProjectEvent>;

const DEFAULT_WINDOW = 4;
/** Without validation nothing is lost by taking many at once. */
const UNVALIDATED_WINDOW = 64;

interface Lane {
  readonly scopes: readonly string[] | null;
  readonly stack: Stack | undefined;
  readonly window: number;
  count: number;
  isBuilding: boolean;
  readonly taken: Change[];
}

function windowOf(stack: Stack | undefined): number {
  if (stack === undefined) return DEFAULT_WINDOW;
  return stack.policy.mode === "off" ? UNVALIDATED_WINDOW : stack.window;
}

/** Queued changes in landing order. */
export function selectQueueOrder(sql: Sql, nowMs: number): Change[] {
  const queued = selectChangesByState(sql, "queued").map((change) => ({
    change,
    priority: selectTask(sql, change.taskId)?.priority ?? 2,
    overtakenCount: countOvertakers(sql, change.changeId),
  }));
  return orderChanges(queued, nowMs).map(({ change }) => change);
}

/** Lets changes wait for the tasks that theirs depends on, and lets them go on when those are done. */
function settleDependencies(context: Context): void {
  for (const change of selectQueuedWithDependencies(context.sql)) {
    const blockers = selectOpenBlockers(context.sql, change.taskId);
    if (blockers.length === 0) continue;
    updateChange(context, change, {
      state: "blocked",
      blockedBy: blockers.map((task) => task.taskId),
      reason: `it waits for ${blockers.map((task) => `#${task.number}`).join(", ")}`,
    });
  }
  for (const change of selectChangesByState(context.sql, "blocked")) {
    if (change.blockedBy.length === 0 || selectOpenBlockers(context.sql, change.taskId).length > 0) continue;
    updateChange(context, change, { state: "queued", blockedBy: [], reason: null });
  }
}

/** One branch's lanes, as they are while changes are taken into them. */
class Lanes {
  readonly #lanes = new Map<string, Lane>();
  /** Scopes of changes that could not be taken: later ones that meet them wait behind. */
  readonly #closed: (readonly string[] | null)[] = [];

  constructor(context: Context, integrationRef: string, inLanding: readonly Change[]) {
    for (const stack of selectStacks(context.sql)) {
      if (stack.integrationRef === integrationRef) this.#add(stack.lane, stack.scopes, stack);
    }
    for (const change of inLanding) {
      const lane = this.laneFor(change);
      lane.count += 1;
      lane.isBuilding ||= change.state === "building";
    }
  }

  get all(): readonly Lane[] {
    return [...this.#lanes.values()];
  }

  laneFor(change: Change): Lane {
    const name = laneOf(change.scopes);
    return this.#lanes.get(name) ?? this.#add(name, name === "*" ? null : change.scopes, undefined);
  }

  /** Takes a change into its lane when nothing before it is in the way; else what shares paths with it waits too. */
  offer(change: Change): void {
    const lane = this.laneFor(change);
    const { scopes } = change;
    const hasCandidates = (lane.stack?.candidates.length ?? 0) > 0;
    // It conflicts with what is about to land: only when that has landed is it known whether it really does.
    if (hasCandidates && change.stuckOn !== null && change.stuckOn === lane.stack?.tip) return;
    const isClosed = this.#closed.some((other) => doScopesMeet(other, scopes));
    const isCrossed = this.all.some(
      (other) => other !== lane && other.count > 0 && doScopesMeet(other.scopes, scopes),
    );
    if (isClosed || isCrossed || lane.isBuilding || lane.count >= lane.window) {
      this.#closed.push(scopes);
      return;
    }
    lane.count += 1;
    lane.taken.push(change);
  }

  #add(name: string, scopes: readonly string[] | null, stack: Stack | undefined): Lane {
    const lane: Lane = { scopes, stack, window: windowOf(stack), count: 0, isBuilding: false, taken: [] };
    this.#lanes.set(name, lane);
    return lane;
  }
}

/** The lane that meets all others takes nothing more: then no other takes anything, and nobody's order matters now. */
function isCommonLaneFull(sql: Sql, integrationRef: string, inLanding: readonly Change[]): boolean {
  const inLane = inLanding.filter(
    (change) => change.integrationRef === integrationRef && laneOf(change.scopes) === COMMON_LANE,
  );
  const isBuilding = inLane.some((change) => change.state === "building");
  return isBuilding || inLane.length >= windowOf(selectStack(sql, integrationRef, COMMON_LANE));
}

/** Takes queued changes into their lanes, best first, as far as the windows reach, and has candidates built of them. */
export function takeQueued(context: Context): void {
  settleDependencies(context);
  const landingRefs = new Set(selectOpenLandings(context.sql).map((landing) => landing.integrationRef));
  const inLanding = selectChangesInLanding(context.sql);
  const refs = selectQueuedRefs(context.sql).filter(
    (ref) =>
      !landingRefs.has(ref) &&
      selectQueuePause(context.sql, ref) === null &&
      !isCommonLaneFull(context.sql, ref, inLanding),
  );
  if (refs.length === 0) return;
  const order = selectQueueOrder(context.sql, context.nowMs);
  for (const integrationRef of refs) {
    const ofRef = (change: Change): boolean => change.integrationRef === integrationRef;
    const lanes = new Lanes(context, integrationRef, inLanding.filter(ofRef));
    for (const change of order.filter(ofRef)) lanes.offer(change);
    for (const { taken } of lanes.all) {
      if (taken.length === 0) continue;
      for (const change of taken) updateChange(context, change, { state: "building" });
      queueJob(
        context,
        "build",
        taken.map((change) => change.changeId),
      );
    }
  }
}

/**
 * Recomputes from the rows what a crash may have left in between: a change that is said to be on its way but that no job,
 * stack or landing holds queues again; an intended landing without a job gets one.
 */
export function recoverOrphans(context: Context): void {
  const candidates = new Set(
    selectStacks(context.sql).flatMap((stack) => stack.candidates.map(({ changeId }) => changeId)),
  );
  const landings = selectOpenLandings(context.sql);
  const landing = new Set(landings.flatMap(({ items }) => items.map(({ changeId }) => changeId)));
  for (const change of selectChangesInLanding(context.sql)) {
    const { changeId, state } = change;
    if (landing.has(changeId)) continue;
    const isHeld =
      state === "building"
        ? selectActiveJobOf(context.sql, changeId)?.kind === "build"
        : candidates.has(changeId);
    if (!isHeld) updateChange(context, change, { state: "queued" });
    else if (state === "landing") updateChange(context, change, { state: "testing" });
  }
  for (const { landingId, integrationRef } of landings) {
    if (selectQueuePause(context.sql, integrationRef) !== null) continue;
    if (selectActiveJobOf(context.sql, landingId) === undefined) queueJob(context, "move", [landingId]);
  }
}
