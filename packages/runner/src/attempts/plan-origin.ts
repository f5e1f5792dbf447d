import { CHECKPOINT_REF_PREFIX, readRef } from "@canopy/git";
import type { AttemptJob, ForkJob } from "@canopy/protocol";
import type { ResolvedAgent } from "@canopy/agents";
import { isConversational } from "../sessions/open-attempt-session.ts";
import type { LadderContext, LadderPlan } from "./ladder-plan.ts";
import { planLadder } from "./ladder-plan.ts";

/** What an attempt begins with. */
export interface AttemptOrigin {
  /** For work on a stuck change. */
  readonly plan: LadderPlan | null;
  /** The workspace's commit; null: the integration branch's tip. */
  readonly start: string | null;
  /** What the work's commit stands on; null: the workspace's commit. */
  readonly parent: string | null;
  readonly prompt: string;
}

/** The files of a session at work, as they were when they were looked at last; null when they were not, or had not changed. */
async function readCheckpoint(
  { repository }: LadderContext,
  forkOf: ForkJob | null,
): Promise<ForkJob["work"]> {
  if (forkOf?.atWork == null) return null;
  const { attemptId, baseCommit } = forkOf.atWork;
  const commit = await readRef(repository, `${CHECKPOINT_REF_PREFIX}${attemptId}`);
  return commit === null ? null : { baseCommit, commit };
}

/**
 * Works out what an attempt begins with: the branch's tip, a stuck change, or what an attempt before it, or that of the session it
 * is a fork of, had done. Only an agent that remembers goes on with half a work; others begin anew. Throws what planLadder throws.
 */
export async function planOrigin(
  context: LadderContext,
  job: AttemptJob,
  agent: ResolvedAgent,
): Promise<AttemptOrigin> {
  if (job.ladder !== null) {
    const plan = await planLadder(context, job, job.ladder);
    return { plan, start: plan.start, parent: plan.parent, prompt: plan.prompt };
  }
  const { continues, forkOf } = job;
  if (!isConversational(agent)) return { plan: null, start: null, parent: null, prompt: job.prompt };
  const work = continues?.work ?? forkOf?.work ?? (await readCheckpoint(context, forkOf));
  const prompt = continues?.prompt ?? job.prompt;
  return { plan: null, start: work?.commit ?? null, parent: work?.baseCommit ?? null, prompt };
}
