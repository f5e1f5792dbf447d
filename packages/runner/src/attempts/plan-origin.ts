import type { AttemptJob } from "@canopy/protocol";
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

/**
 * Works out what an attempt begins with: the branch's tip, a stuck change, or what an attempt before it had done. Only an agent
 * that remembers goes on with half a work; others begin anew. Throws what planLadder throws.
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
  const { continues } = job;
  if (continues === null || !isConversational(agent)) {
    return { plan: null, start: null, parent: null, prompt: job.prompt };
  }
  const { work, prompt } = continues;
  return { plan: null, start: work?.commit ?? null, parent: work?.baseCommit ?? null, prompt };
}
