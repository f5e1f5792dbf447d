import { randomBytes } from "node:crypto";
import { resolveAgent } from "@canopy/agents";
import type { AgentModels } from "@canopy/agents";
import type { AttemptJob } from "@canopy/protocol";
import type { WorkspaceOrder } from "../attempts/prepare-workspace.ts";
import { createWorkspaceAt, readBase } from "../attempts/prepare-workspace.ts";
import { readAgentSecrets } from "../attempts/keep-keys.ts";
import { createProcessEnvironment } from "./shell-file.ts";

/** What asking an agent for its models needs. */
export interface ModelQuestion extends Omit<
  WorkspaceOrder,
  "job" | "environment" | "workspaceId" | "metadata"
> {
  /** As a person names it. */
  readonly agent: string;
  readonly branch: Pick<AttemptJob, "integrationRef" | "baseBranch">;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * Asks an agent for the models that it offers, in a workspace of its own with all that keeps agents in: a repository may say what
 * is started under a name. Null: it does not say. Throws `usage.*`, `workspace.failed` and what its driver throws.
 */
export async function listAgentModels(question: ModelQuestion): Promise<AgentModels | null> {
  const { agent: name, branch, config, checkout, repository, signal } = question;
  const agent = resolveAgent(name, config.agents, checkout);
  const list = agent.driver.listModels?.bind(agent.driver);
  if (list === undefined) return null;
  const environment = await readAgentSecrets(agent, config, question.environment);
  const { setup: _setup, ...withoutSetup } = config.workspace;
  const order = {
    ...question,
    config: { ...config, workspace: withoutSetup },
    job: { agent: name, ladder: null, baseBranch: branch.baseBranch },
    environment,
    workspaceId: `models-${randomBytes(5).toString("hex")}`,
    metadata: null,
  };
  await using workspace = await createWorkspaceAt(order, await readBase(repository, branch));
  return await list({
    spawn: workspace.spawn,
    cwd: workspace.path,
    env: createProcessEnvironment(agent, workspace, environment.shown),
    secretNames: Object.keys(environment.shown),
    model: null,
    signal,
  });
}
