import { readRepositoryIdentity, requireBranch } from "@canopy/git";
import { resolveAgent } from "@canopy/agents";
import { CanopyError, isCanopyError } from "@canopy/protocol";
import { isConversational } from "@canopy/runner";
import type { ServerPorts } from "@canopy/server";
import { loadConfig } from "../config/load-config.ts";
import type { ProjectHub } from "./project-hub.ts";
import type { ModelPlace } from "./project-models.ts";

async function readPlace(projectId: string, path: string): Promise<ModelPlace> {
  const identity = await readRepositoryIdentity(path);
  if (identity.projectId !== projectId)
    throw new CanopyError("request.invalid", `${path} is a folder of another project`);
  const baseBranch = requireBranch(identity);
  return { checkout: identity.worktreeRoot, config: await loadConfig(identity.worktreeRoot), baseBranch };
}

/** What people ask of agents before there is any work, over HTTP. */
export function createAgentPorts(hub: ProjectHub): ServerPorts["agents"] {
  return {
    listModels: async (projectId, agent, path) => {
      const { models, project } = await hub.openById(projectId);
      return await models.list(agent, await readPlace(projectId, path ?? project.path));
    },
    requireConversational: async (projectId, name) => {
      const { project } = await hub.openById(projectId);
      const { agents } = await loadConfig(project.path);
      if (isConversational(resolveAgent(name, agents, project.path))) return;
      throw new CanopyError("usage.invalid", `${name} holds no conversation that a fork could begin with`, {
        hint: "name another agent: --agent NAME",
      });
    },
    checkModels: async (projectId, wanted) => {
      const { models, project } = await hub.openById(projectId);
      try {
        const place = await readPlace(projectId, project.path);
        const { agent: usual } = place.config.run;
        // Without an agent nobody can say; a run asks again.
        const known = wanted.flatMap(({ agent, ...want }) => {
          const chosen = agent ?? usual;
          return chosen === undefined ? [] : [{ agent: chosen, ...want }];
        });
        return await models.require(known, place);
      } catch (error) {
        if (!isCanopyError(error) || !error.code.startsWith("repository.")) throw error;
        return [`whether there is such a model was not looked at: ${error.message}`];
      }
    },
  };
}
