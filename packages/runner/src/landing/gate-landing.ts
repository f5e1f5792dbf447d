import type { LandJob, LandOutcome, Validation } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol";
import type { JobSource } from "../job-source.ts";
import type { Lease } from "./land-changes.ts";
import { describeValidation } from "./describe-validation.ts";
import { findGoodPrefix } from "./find-good-prefix.ts";
import type { ValidationContext, ValidationSubject } from "./run-validation.ts";
import { hashCommands, runValidation } from "./run-validation.ts";

/** What is about to land: outcomes in queue order, with the commit and tree of those that merged. */
export interface LandingPlan {
  readonly tip: string;
  readonly tipTree: string;
  readonly outcomes: readonly LandOutcome[];
  /** Trees of merged commits. */
  readonly trees: ReadonlyMap<string, string>;
  readonly newTip: string;
}

/** A plan that may land. `followUp` when lenient validation lets something red land. */
export interface GatedPlan {
  readonly outcomes: readonly LandOutcome[];
  readonly newTip: string;
  readonly followUp?: string;
}

/** What the gate needs. */
export interface GateContext extends ValidationContext {
  readonly source: JobSource;
  readonly signal: AbortSignal;
}

/** Validates a tree once for all: known results are used, a red one is tried once more before it counts. */
async function validateOnce(
  context: GateContext,
  lease: Lease,
  subject: ValidationSubject,
): Promise<Validation> {
  const { source, config } = context;
  const known = await source.findValidation(subject.tree, hashCommands(config));
  if (known !== null) return known;
  const first = await runValidation(context, subject, context.signal);
  const second = first.state === "failed" ? await runValidation(context, subject, context.signal) : null;
  const validation = second?.state === "passed" ? { ...second, flaky: true } : (second ?? first);
  await source.submit(
    { type: "validation.record", ...lease, validation },
    `validation:${lease.jobId}:${lease.fence}:${subject.tree}`,
  );
  return validation;
}

/**
 * Lets a plan through as far as its validation is green (strict), or whole with a follow-up (lenient). What comes after
 * the change that broke it goes back to the queue: it may have merged, or conflicted, only because of that one. Throws
 * `work.failed` when the branch itself is red, so that nobody is blamed for it.
 */
export async function gateLanding(
  context: GateContext,
  lease: Lease,
  job: LandJob,
  plan: LandingPlan,
): Promise<GatedPlan> {
  const { validation } = context.config;
  const merged = plan.outcomes.filter((outcome) => outcome.state === "merged");
  if (!validation.enabled || validation.steps.length === 0 || merged.length === 0) return plan;
  await context.source.submit({ type: "landing.test", ...lease }, `test:${lease.jobId}:${lease.fence}`);
  const subjects = merged.map((outcome): ValidationSubject => {
    const tree = plan.trees.get(outcome.commit);
    if (tree === undefined) throw new CanopyError("internal", `commit ${outcome.commit} has no tree`);
    return { commit: outcome.commit, tree, branch: job.baseBranch };
  });
  const base: ValidationSubject = { commit: plan.tip, tree: plan.tipTree, branch: job.baseBranch };
  const validate = async (count: number): Promise<Validation> =>
    await validateOnce(context, lease, subjects[count - 1] ?? base);
  if (validation.mode === "lenient") {
    const tip = await validate(subjects.length);
    return tip.state === "passed" ? plan : { ...plan, followUp: describeValidation(tip) };
  }
  const found = await findGoodPrefix(subjects.length, validate);
  if (found.red === null) return plan;
  if (found.isBaseRed) {
    throw new CanopyError(
      "work.failed",
      `${job.integrationRef} itself is red: ${describeValidation(found.red)}`,
      {
        hint: "mend the branch (or the validation in .canopy/config.toml), then: canopy queue retry",
      },
    );
  }
  const culprit = merged[found.count];
  const good = plan.outcomes.slice(0, culprit === undefined ? undefined : plan.outcomes.indexOf(culprit));
  const failing: LandOutcome[] =
    culprit === undefined
      ? []
      : [{ changeId: culprit.changeId, state: "failing", message: describeValidation(found.red) }];
  return { outcomes: [...good, ...failing], newTip: merged[found.count - 1]?.commit ?? plan.tip };
}
