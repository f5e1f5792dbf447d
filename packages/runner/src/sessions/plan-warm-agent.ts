import { createHash, randomBytes } from "node:crypto";
import type { AttemptJob } from "@canopy/protocol";
import type { ResolvedAgent } from "@canopy/agents";
import type { WorkspacePlan } from "../attempts/prepare-workspace.ts";
import { prepareWorkspace, readBase } from "../attempts/prepare-workspace.ts";
import { createProcessEnvironment } from "./shell-file.ts";
import { isConversational } from "./open-attempt-session.ts";
import type { WarmRecipe } from "./warm-agents.ts";

/**
 * How to prepare an agent for a task that may come after this one; null where that is switched off or not possible: a change that is
 * stuck, or a session that goes on, needs a workspace of its own kind. An ACP agent that nobody knows may want its task's variables.
 */
export function planWarmAgent(
  plan: Omit<WorkspacePlan, "start" | "note" | "spareId" | "signal">,
  agent: ResolvedAgent,
): WarmRecipe | null {
  const { job, config, environment, checkout, repository } = plan;
  const prepare = agent.driver.prepare?.bind(agent.driver);
  if (!config.run.warm || prepare === undefined || !isConversational(agent)) return null;
  if (!isFresh(job) || job.agent.startsWith("acp:")) return null;
  const model = job.model ?? agent.model;
  const told = [job.agent, model, config, environment, checkout, job.integrationRef, job.baseBranch];
  return {
    key: createHash("sha256").update(JSON.stringify(told)).digest("hex"),
    readCommit: () => readBase(repository, job),
    make: async (signal) => {
      const spareId = `warm-${randomBytes(5).toString("hex")}`;
      const note = { parent: null, memory: [] };
      const made = await prepareWorkspace({ ...plan, spareId, note, signal });
      const { workspace } = made;
      try {
        const env = createProcessEnvironment(agent, workspace, environment.shown);
        const secretNames = Object.keys(environment.shown);
        const { spawn, path: cwd } = workspace;
        return { ...made, prepared: await prepare({ spawn, cwd, env, secretNames, model, signal }) };
      } catch (error) {
        await workspace.dispose();
        await made.release();
        throw error;
      }
    },
  };
}

/** A driver may be handed a prepared agent for this: nothing of it was there before. */
function isFresh(job: AttemptJob): boolean {
  return job.ladder === null && job.continues === null && job.forkOf === null && job.attemptNumber === 1;
}
