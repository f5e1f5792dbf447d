import type { JobPayload } from "@canopy/protocol";
import { isCanopyError } from "@canopy/protocol";
import { buildStack } from "./build-stack.ts";
import { moveBranch } from "./move-branch.ts";
import type { Lease, QueueContext } from "./queue-context.ts";
import { regenerateFiles } from "./regenerate-files.ts";
import { runTrial } from "./run-trial.ts";

/** Failures that only a person can mend. */
const HOPELESS: ReadonlySet<string> = new Set(["repository.branch-checked-out", "work.failed"]);

/** A job of the queue. */
export type QueuePayload = Exclude<JobPayload, { kind: "attempt" }>;

async function carryOut(context: QueueContext, lease: Lease, payload: QueuePayload): Promise<void> {
  switch (payload.kind) {
    case "build":
      await buildStack(context, lease, payload);
      return;
    case "validate":
      await runTrial(context, lease, payload);
      return;
    case "move":
      await moveBranch(context, lease, payload);
      return;
    case "regenerate":
      await regenerateFiles(context, lease, payload);
  }
}

/** Carries out one job of the queue and reports it to the room, failures too. */
export async function runQueueJob(context: QueueContext, lease: Lease, payload: QueuePayload): Promise<void> {
  try {
    await carryOut(context, lease, payload);
  } catch (error) {
    const isHopeless = isCanopyError(error) && HOPELESS.has(error.code);
    const isCancelled = isCanopyError(error) && error.code === "cancelled";
    const hint = isCanopyError(error) && error.hint !== undefined ? ` (${error.hint})` : "";
    const reason = `${error instanceof Error ? error.message : String(error)}${hint}`.slice(0, 50_000);
    const how = isCancelled ? "cancelled" : isHopeless ? "hopeless" : "retry";
    await context.source.submit(
      { type: "job.fail", ...lease, reason, how },
      `fail:${lease.jobId}:${lease.fence}`,
    );
  }
}
