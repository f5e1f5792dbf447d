import type { BuildOutcome, Candidate, Change, ProjectCommand, ProjectEvent, Stack } from "@canopy/protocol";
import { assert } from "@canopy/protocol";
import { checkLease, completeJob } from "../jobs/job-feature.ts";
import type { DecideAnswer, DecideContext } from "../kernel/room-definition.ts";
import { accept } from "../kernel/room-definition.ts";
import { selectRun } from "../runs/run-rows.ts";
import { countInRun } from "../runs/run-totals.ts";
import { addComment, releaseTask } from "../tasks/decide-task.ts";
import { selectTask } from "../tasks/select-tasks.ts";
import { ontoOf } from "./build-payloads.ts";
import { selectChange } from "./change-rows.ts";
import { COMMON_LANE, laneOf, resetStacks, updateChange } from "./edit-stack.ts";
import { climbLadder } from "./ladder.ts";
import { selectStack } from "./stack-rows.ts";

type Context = DecideContext<ProjectEvent>;
type Command = Extract<ProjectCommand, { type: "stack.build" }>;

/** A change cannot land for now: it keeps its work, its task waits for a person, and the reason is shown. */
export function blockChange(
  context: Context,
  change: Change,
  reason: string,
  fields: Partial<Change> = {},
): void {
  updateChange(context, change, {
    ...fields,
    state: "blocked",
    reason,
    work: null,
    endedAtMs: context.nowMs,
  });
  countInRun(context, change.runId, "failed");
  const task = selectTask(context.sql, change.taskId);
  if (task?.claim?.holder !== change.attemptId) return;
  addComment(context, releaseTask(context, task, "needs_input"), `LANDING BLOCKED: ${reason}`);
}

function describeLost(lost: Extract<BuildOutcome, { state: "reverting" }>["lost"]): string {
  const [first] = lost;
  const files = lost.map(({ path, count }) => `${path} (${count})`).join(", ");
  const example = first?.lines[0] === undefined ? "" : `, for example: ${first.lines[0]}`;
  return `it would take away lines that others added since it began: ${files}${example}`;
}

function settleOutcome(context: Context, outcome: BuildOutcome, tip: string): Candidate | null {
  const changeId = outcome.state === "built" ? outcome.candidate.changeId : outcome.changeId;
  const change = selectChange(context.sql, changeId);
  // A person may have taken it aside meanwhile.
  if (change?.state !== "building") return null;
  switch (outcome.state) {
    case "built":
      updateChange(context, change, { state: "testing", stuckOn: null });
      return outcome.candidate;
    case "waits":
      updateChange(context, change, { state: "queued", stuckOn: tip });
      return null;
    case "reverting":
      blockChange(context, change, describeLost(outcome.lost), { lostLines: outcome.lost, stuckOn: tip });
      return null;
    default:
      climbLadder(
        context,
        {
          ...change,
          state: "conflicted",
          conflicts: outcome.conflicts,
          reason: outcome.message,
          stuckOn: tip,
        },
        outcome.canRegenerate,
      );
      return null;
  }
}

/** A candidate that was taken aside while it was built takes what was built on it along. */
function keepWhole(context: Context, outcomes: readonly BuildOutcome[]): readonly BuildOutcome[] {
  const gone = outcomes.findIndex(
    (outcome) =>
      outcome.state === "built" &&
      selectChange(context.sql, outcome.candidate.changeId)?.state !== "building",
  );
  return gone === -1 ? outcomes : outcomes.slice(0, gone);
}

/** True when what was built stands on the stack as it is now. */
function isOnTop(onto: string | null, stack: Stack | undefined): boolean {
  if (onto === null) return (stack?.candidates.length ?? 0) === 0;
  return onto === (ontoOf(stack) ?? stack?.tip);
}

/** The lane's stack as the build found it: on the branch's tip, or further up on what it had already. */
function groundStack(context: Context, command: Command, first: Change): Stack {
  const run = selectRun(context.sql, first.runId);
  assert(run !== undefined, "a change has a run");
  const lane = laneOf(first.scopes);
  const known = selectStack(context.sql, first.integrationRef, lane);
  const { refCommit, tip, tipTree, tipKey } = command.onto === null || known === undefined ? command : known;
  return {
    integrationRef: first.integrationRef,
    lane,
    scopes: lane === COMMON_LANE ? null : first.scopes,
    baseBranch: run.options.baseBranch,
    checkout: run.options.checkout ?? null,
    refCommit,
    tip,
    tipTree,
    tipKey,
    window: known?.window ?? command.policy.windowStart,
    policy: command.policy,
    candidates: known?.candidates ?? [],
  };
}

/** A lane's candidates are merged: they are tested next; conflicts climb the ladder; what would revert others is blocked. */
export function decideBuildStack(context: Context, command: Command): DecideAnswer {
  const checked = checkLease(context.sql, command, "build");
  if (checked.type === "rejection") return checked;
  const [firstId = ""] = checked.job.subjectIds;
  const first = selectChange(context.sql, firstId);
  assert(first !== undefined, `there is a change ${firstId}`);
  completeJob(context, checked.job);
  if (command.isStale) {
    // Somebody moved the branch by hand: everything is merged anew.
    resetStacks(context, first.integrationRef);
    return accept();
  }
  // The stack changed below the build; what was built is forgotten, and its changes queue again by themselves.
  if (!isOnTop(command.onto, selectStack(context.sql, first.integrationRef, laneOf(first.scopes))))
    return accept();
  const stack = groundStack(context, command, first);
  // Written first, so that the ladder finds the policy.
  context.emit({ type: "stack.changed", stack });
  const added = keepWhole(context, command.outcomes)
    .map((outcome) => settleOutcome(context, outcome, stack.tip))
    .filter((candidate) => candidate !== null);
  if (added.length > 0)
    context.emit({ type: "stack.changed", stack: { ...stack, candidates: [...stack.candidates, ...added] } });
  return accept();
}
