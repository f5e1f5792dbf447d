import { readLogin } from "@canopy/agents";
import type { LoginCopy, ResolvedAgent } from "@canopy/agents";
import type { ProjectConfig } from "@canopy/protocol";
import { planCredentials, PROXY_PORT } from "@canopy/workspace";
import { readAgentEnvironment } from "../sessions/agent-environment.ts";

/** What of a person's environment goes where. */
export interface KeptKeys {
  /** What was named for the agent, as it is: where the proxy finds the keys that it adds. */
  readonly given: Readonly<Record<string, string>>;
  /** What the agent sees: with `credentials = "proxy"` a placeholder for each known key, and the proxy's address. */
  readonly shown: Readonly<Record<string, string>>;
  /** Names that everything in the workspace may see, the setup command too. */
  readonly inherited: readonly string[];
}

/** All secrets that a person lets an agent have: variables, and copies of their own login. */
export interface AgentSecrets extends KeptKeys {
  readonly logins: readonly LoginCopy[];
}

/** Collects what a person lets an agent have. Throws `config.invalid` for what was named and is not there. */
export async function readAgentSecrets(
  agent: ResolvedAgent,
  config: ProjectConfig,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<AgentSecrets> {
  const named = await readAgentEnvironment(agent, environment);
  return { ...keepKeys(config, named, environment), logins: await readLogin(agent, environment) };
}

/** Keeps keys from an agent where the proxy adds them. `named`: what the agent would be given of `environment`. */
export function keepKeys(
  config: ProjectConfig,
  named: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string | undefined>>,
): KeptKeys {
  const inherited = config.workspace.env;
  if (config.sandbox.credentials === "environment") return { given: named, shown: named, inherited };
  const shared = inherited.flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value]];
  });
  const given: Record<string, string> = { ...Object.fromEntries(shared), ...named };
  const { env } = planCredentials(given, PROXY_PORT);
  return {
    given,
    shown: { ...given, ...env },
    inherited: inherited.filter((name) => !Object.hasOwn(env, name)),
  };
}
