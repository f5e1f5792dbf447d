import type { ValidateJob } from "@canopy/protocol";
import { keepFailed } from "@canopy/git";
import type { Lease, QueueContext } from "./queue-context.ts";
import { runValidation } from "./run-validation.ts";

/** Validates one candidate in a workspace of its own and reports how it went. */
export async function runTrial(context: QueueContext, lease: Lease, { trial }: ValidateJob): Promise<void> {
  const subject = { commit: trial.commit, tree: trial.key, branch: trial.baseBranch, scopes: trial.scopes };
  const validation = await runValidation(context, subject, context.signal);
  const changeId = trial.changeIds.at(-1);
  // A red candidate is kept before anybody is told that it is red.
  if (validation.state === "failed" && changeId !== undefined)
    await keepFailed(context.repository, { changeId, commit: trial.commit });
  await context.source.submit(
    { type: "validation.record", ...lease, validation },
    `validation:${lease.jobId}:${lease.fence}`,
  );
}
