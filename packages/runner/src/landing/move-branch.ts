import type { MoveJob } from "@canopy/protocol";
import { isCanopyError } from "@canopy/protocol";
import { isAncestor, readRef, updateRefs } from "@canopy/git";
import { requireFreeBranch } from "./build-stack.ts";
import type { Lease, QueueContext } from "./queue-context.ts";

async function moveRef(context: QueueContext, { landing }: MoveJob): Promise<boolean> {
  const { repository } = context;
  const { integrationRef, oldCommit, newCommit } = landing;
  const current = await readRef(repository, integrationRef);
  // It may have been moved before a crash, and further since.
  if (current !== null && (await isAncestor(repository, newCommit, current))) return true;
  if (current !== oldCommit) return false;
  await requireFreeBranch(repository, integrationRef);
  try {
    await updateRefs(repository, [{ ref: integrationRef, newCommit, oldCommit }]);
    return true;
  } catch (error) {
    if (isCanopyError(error) && error.code === "git.ref-moved") return false;
    throw error;
  }
}

/**
 * Carries out an intended landing: the branch is moved by compare-and-swap, or was moved already, or is somewhere else by
 * now and nothing landed. Safe to repeat after a crash at any point.
 */
export async function moveBranch(context: QueueContext, lease: Lease, job: MoveJob): Promise<void> {
  const landed = await moveRef(context, job);
  await context.source.submit(
    { type: "landing.finish", ...lease, landingId: job.landing.landingId, landed },
    `finish:${lease.jobId}:${lease.fence}`,
  );
}
