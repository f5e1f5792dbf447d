import type { ValidateJob } from "@canopy/protocol";
import type { Lease, QueueContext } from "./queue-context.ts";
import { runValidation } from "./run-validation.ts";

/** Validates one candidate in a workspace of its own and reports how it went. */
export async function runTrial(context: QueueContext, lease: Lease, { trial }: ValidateJob): Promise<void> {
  const subject = { commit: trial.commit, tree: trial.key, branch: trial.baseBranch };
  const validation = await runValidation(context, subject, context.signal);
  await context.source.submit(
    { type: "validation.record", ...lease, validation },
    `validation:${lease.jobId}:${lease.fence}`,
  );
}
