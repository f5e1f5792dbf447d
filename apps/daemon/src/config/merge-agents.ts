import type { AgentConfig, ProjectConfig } from "@canopy/protocol";

type Agents = ProjectConfig["agents"];

/** A repository that launches something else under a name does not get the keys that a person named for it. */
function isLaunchedElsewise({ driver, command, args }: AgentConfig): boolean {
  return driver !== undefined || command !== undefined || args !== undefined;
}

function mergeAgent(own: AgentConfig | undefined, project: AgentConfig): AgentConfig {
  if (own === undefined) return project;
  if (!isLaunchedElsewise(project)) return { ...own, ...project };
  const { env: _env, keychain: _keychain, login: _login, ...rest } = own;
  return { ...rest, ...project };
}

/** A person's own agents and a project's: of one name the project's words count, key by key. */
export function mergeAgents(own: Agents, project: Agents): Agents {
  const merged = Object.entries(project).map(([name, agent]): [string, AgentConfig] => [
    name,
    mergeAgent(Object.hasOwn(own, name) ? own[name] : undefined, agent),
  ]);
  return { ...own, ...Object.fromEntries(merged) };
}
