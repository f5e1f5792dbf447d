import type { ProjectConfig } from "@canopy/protocol";
import type { ResolvedAgent } from "@canopy/agents";
import { planCredentials, PROXY_PORT } from "@canopy/workspace";

/** What an agent gets of the person's environment. */
export interface AgentEnvironment {
  /** The named variables as they are: where the proxy finds the keys that it adds. */
  readonly given: Readonly<Record<string, string>>;
  /** What the agent sees: with `credentials = "proxy"` a placeholder for each known key, and the proxy's address. */
  readonly shown: Readonly<Record<string, string>>;
  /** Names that everything in the workspace may see, the setup command too. */
  readonly inherited: readonly string[];
}

function pick(
  environment: Readonly<Record<string, string | undefined>>,
  names: readonly string[],
): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of names) {
    const value = environment[name];
    if (value !== undefined) found[name] = value;
  }
  return found;
}

/** Takes the variables that a person named for an agent, and keeps keys from it where the proxy adds them. */
export function createAgentEnvironment(
  config: ProjectConfig,
  agent: Pick<ResolvedAgent, "environmentNames" | "credentialNames">,
  environment: Readonly<Record<string, string | undefined>>,
): AgentEnvironment {
  const names = [...agent.environmentNames, ...agent.credentialNames];
  const inherited = config.workspace.env;
  if (config.sandbox.credentials === "environment") {
    const given = pick(environment, names);
    return { given, shown: given, inherited };
  }
  const given = pick(environment, [...inherited, ...names]);
  const { env } = planCredentials(given, PROXY_PORT);
  return {
    given,
    shown: { ...given, ...env },
    inherited: inherited.filter((name) => !Object.hasOwn(env, name)),
  };
}
