import type { ProjectCommand, ProjectEvent, Validation } from "@canopy/protocol";
import { assert } from "@canopy/protocol";
import { checkLease, completeJob } from "../jobs/job-feature.ts";
import type { DecideAnswer, DecideContext } from "../kernel/room-definition.ts";
import { accept } from "../kernel/room-definition.ts";
import { selectValidation } from "./change-rows.ts";
import { selectStack, selectTrial } from "./stack-rows.ts";

type Context = DecideContext<ProjectEvent>;
type Command = Extract<ProjectCommand, { type: "validation.record" }>;

function listRedSteps(validation: Validation): string[] {
  return validation.steps
    .filter((step) => step.required && (step.state === "failed" || step.state === "timed-out"))
    .map((step) => step.name);
}

/**
 * A tree was validated: remembered by its key and commands, so that it never is again by the same; only a red result is
 * tried once more before anybody is blamed for it.
 */
export function decideRecordValidation(context: Context, command: Command): DecideAnswer {
  const checked = checkLease(context.sql, command, "validate");
  if (checked.type === "rejection") return checked;
  const { job } = checked;
  const trial = selectTrial(context.sql, job.jobId);
  assert(trial !== undefined, `job ${job.jobId} has a trial`);
  completeJob(context, job);
  const before = selectValidation(context.sql, trial.key, command.validation.commandsHash);
  const flakySteps =
    command.validation.state === "passed" && before?.state === "failed" ? listRedSteps(before) : [];
  const validation: Validation = {
    ...command.validation,
    tree: trial.key,
    tries: trial.tryNumber,
    flaky: flakySteps.length > 0,
    flakySteps,
  };
  context.emit({ type: "validation.recorded", validation });
  const stack = selectStack(context.sql, trial.integrationRef, trial.lane);
  // The configuration was edited meanwhile: from now on the new commands count.
  if (stack !== undefined && stack.policy.commandsHash !== validation.commandsHash) {
    const policy = { ...stack.policy, commandsHash: validation.commandsHash };
    context.emit({ type: "stack.changed", stack: { ...stack, policy } });
  }
  return accept();
}
