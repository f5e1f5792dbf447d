import type { Candidate, Landing, ProjectEvent, Stack, Validation } from "@canopy/protocol";
import { queueJob } from "../jobs/job-feature.ts";
import type { DecideContext } from "../kernel/room-definition.ts";
import {
  selectChange,
  selectChangesByState,
  selectOpenLandings,
  selectQueuePause,
  selectValidation,
} from "./change-rows.ts";
import { blockChange } from "./decide-build.ts";
import { describeValidation } from "./describe-validation.ts";
import { cancelTrials, cutStack, laneOf, narrowWindow, updateChange } from "./edit-stack.ts";
import { climbLadder, countRedRepair } from "./ladder.ts";
import type { CandidateStatus } from "./judge-stack.ts";
import { judgeStack } from "./judge-stack.ts";
import { fileFollowUp } from "./settle-failing.ts";
import { selectStack, selectStacks, selectTrials } from "./stack-rows.ts";

type Context = DecideContext<ProjectEvent>;

interface StackView {
  readonly statuses: readonly CandidateStatus[];
  /** Validations by candidate, as far as they are known. */
  readonly validations: readonly (Validation | undefined)[];
}

function readStatus(
  context: Context,
  stack: Stack,
  key: string,
): { readonly status: CandidateStatus; readonly validation: Validation | undefined } {
  const validation = selectValidation(context.sql, key, stack.policy.commandsHash);
  if (validation?.state === "passed") return { status: "green", validation };
  if (validation?.state === "failed" && validation.tries === 2) return { status: "red", validation };
  const isAtWork = selectTrials(context.sql).some((trial) => trial.key === key);
  if (validation?.state === "failed") return { status: isAtWork ? "retrying" : "suspect", validation };
  return { status: isAtWork ? "running" : "unknown", validation };
}

/** Leniently nobody is searched for: a red tree is tried once more, and then as good as a green one. */
const LENIENT: Readonly<Partial<Record<CandidateStatus, CandidateStatus>>> = {
  red: "green",
  suspect: "unknown",
  retrying: "running",
};

/** What is known of a stack's candidates. Without validation all are good; leniently, a red one is as good as a green one. */
function viewStack(context: Context, stack: Stack): StackView {
  const { mode } = stack.policy;
  const statuses: CandidateStatus[] = [];
  const validations: (Validation | undefined)[] = [];
  for (const candidate of stack.candidates) {
    const isSame = candidate.isEmpty;
    const before = statuses.at(-1) ?? "green";
    const { status, validation } =
      mode === "off"
        ? { status: "green" as const, validation: undefined }
        : readStatus(context, stack, candidate.key);
    const known = isSame ? before : status;
    statuses.push(mode === "lenient" ? (LENIENT[known] ?? known) : known);
    validations.push(isSame ? validations.at(-1) : validation);
  }
  return { statuses, validations };
}

function queueTrial(context: Context, stack: Stack, at: number): void {
  const candidate = stack.candidates[at];
  const subject: Pick<Candidate, "commit" | "tree" | "key"> = candidate ?? {
    commit: stack.tip,
    tree: stack.tipTree,
    key: stack.tipKey,
  };
  const before = selectValidation(context.sql, subject.key, stack.policy.commandsHash);
  const job = queueJob(context, "validate", [subject.commit]);
  context.emit({
    type: "trial.queued",
    trial: {
      jobId: job.jobId,
      integrationRef: stack.integrationRef,
      lane: stack.lane,
      scopes: stack.scopes,
      baseBranch: stack.baseBranch,
      checkout: stack.checkout,
      commit: subject.commit,
      tree: subject.tree,
      key: subject.key,
      changeIds: stack.candidates.slice(0, at + 1).map(({ changeId }) => changeId),
      tryNumber: before?.state === "failed" ? 2 : 1,
    },
  });
}

function listRed(validation: Validation | undefined): string {
  return (validation?.steps ?? [])
    .filter((step) => step.required && step.state !== "passed" && step.state !== "skipped")
    .map((step) => step.name)
    .join("\n");
}

/** The follow-up's text when a red tree lands leniently, unless the branch was red in the same steps before. */
function followUpOf(context: Context, stack: Stack, validation: Validation | undefined): string | null {
  if (validation?.state !== "failed") return null;
  const before = selectValidation(context.sql, stack.tipKey, stack.policy.commandsHash);
  return before?.state === "failed" && listRed(before) === listRed(validation)
    ? null
    : describeValidation(validation);
}

/** Writes down the intent to land a stack's first candidates, and asks for it to be carried out. */
function intendLanding(context: Context, stack: Stack, count: number, followUp: string | null): void {
  const items = stack.candidates.slice(0, count);
  const last = items.at(-1);
  if (last === undefined) return;
  const landing: Landing = {
    landingId: context.newId("landing"),
    integrationRef: stack.integrationRef,
    oldCommit: stack.refCommit,
    newCommit: last.commit,
    items: items.map(({ changeId, commit }) => ({ changeId, commit })),
    state: "intended",
    lane: stack.lane,
  };
  context.emit({ type: "landing.intended", landing });
  for (const { changeId } of items) {
    const change = selectChange(context.sql, changeId);
    if (change !== undefined) updateChange(context, change, { state: "landing" });
  }
  if (followUp !== null)
    fileFollowUp(
      context,
      items.map(({ changeId }) => changeId),
      followUp,
    );
  queueJob(context, "move", [landing.landingId]);
}

/** The branch itself is red: nobody is to blame, and nothing lands in this lane until somebody acts. */
function blockLane(context: Context, stack: Stack, validation: Validation): void {
  const { integrationRef } = stack;
  const reason = `${integrationRef} itself is red: ${describeValidation(validation)} (mend the branch, or the validation in .canopy/config.toml, then: canopy queue resume)`;
  cutStack(context, narrowWindow(stack), 0);
  for (const change of selectChangesByState(context.sql, "queued")) {
    if (change.integrationRef === integrationRef && laneOf(change.scopes) === stack.lane)
      blockChange(context, change, reason);
  }
}

/** The candidate behind the good ones is red. Returns true when something was done about it. */
function settleCulprit(
  context: Context,
  stack: Stack,
  at: number,
  validation: Validation | undefined,
): boolean {
  const culprit = stack.candidates[at];
  if (culprit === undefined || validation === undefined) return false;
  if (at === 0) {
    // Not its fault when the branch was red before it.
    const base = readStatus(context, stack, stack.tipKey);
    if (base.status === "red" && base.validation !== undefined) {
      blockLane(context, stack, base.validation);
      return true;
    }
    if (base.status === "unknown" || base.status === "suspect") {
      queueTrial(context, stack, -1);
      return true;
    }
    if (base.status !== "green") return false;
  }
  cutStack(context, narrowWindow(stack), at, culprit.changeId);
  const change = selectChange(context.sql, culprit.changeId);
  if (change === undefined) return true;
  const reason = describeValidation(validation);
  const ladder = countRedRepair(change, reason);
  climbLadder(context, { ...change, state: "failing", reason, stuckOn: culprit.commit, ladder }, false);
  return true;
}

function advanceStack(context: Context, stack: Stack, isLanding: boolean): void {
  if (stack.candidates.length === 0) return;
  const { statuses, validations } = viewStack(context, stack);
  const slots = Math.max(0, stack.policy.validators - selectTrials(context.sql).length);
  const { goodCount, culprit, retries, probes, useless } = judgeStack({ statuses, slots });
  const uselessKeys = useless.map((at) => stack.candidates[at]?.key).filter((key) => key !== undefined);
  if (uselessKeys.length > 0) cancelTrials(context, new Set(uselessKeys));
  if (culprit !== null && settleCulprit(context, stack, culprit, validations[culprit])) return;
  if (goodCount > 0 && !isLanding)
    intendLanding(context, stack, goodCount, followUpOf(context, stack, validations[goodCount - 1]));
  for (const at of [...retries, ...probes]) queueTrial(context, stack, at);
}

/** Lands what is good, validates what is not known, and finds who is to blame; of every branch that is not paused. */
export function advanceStacks(context: Context): void {
  const landingRefs = new Set(selectOpenLandings(context.sql).map((landing) => landing.integrationRef));
  for (const { integrationRef, lane } of selectStacks(context.sql)) {
    if (selectQueuePause(context.sql, integrationRef) !== null) continue;
    const stack = selectStack(context.sql, integrationRef, lane);
    if (stack === undefined) continue;
    advanceStack(context, stack, landingRefs.has(integrationRef));
    if (selectOpenLandings(context.sql).some((landing) => landing.integrationRef === integrationRef))
      landingRefs.add(integrationRef);
  }
}
