import { BUILTIN_AGENTS, findLogin, resolveAgent, spawnLocal } from "@canopy/agents";
import type { AgentCapabilities, ResolvedAgent } from "@canopy/agents";
import { loadConfig } from "@canopy/daemon";
import type { ProjectConfig } from "@canopy/protocol";
import { isCanopyError } from "@canopy/protocol/errors";

/** What is known of one agent on this machine. */
export interface AgentSurvey {
  readonly name: string;
  readonly kind: string;
  readonly command: string;
  readonly configured: boolean;
  readonly installed: boolean;
  readonly programVersion: string | null;
  readonly detail: string;
  /** Variables that usually carry its key, whether they are set, and whether it may see them; never what is in them. */
  readonly credentials: readonly { readonly name: string; readonly set: boolean; readonly named: boolean }[];
  /** The person's own login with it: the file when there is one, and whether the agent gets a copy; null: not known where. */
  readonly login: { readonly file: string | null; readonly given: boolean } | null;
  readonly capabilities: AgentCapabilities;
}

/** The configuration of a work tree; the defaults where there is none. */
export async function readAgentConfig(checkout: string): Promise<ProjectConfig["agents"]> {
  return (await loadConfig(checkout)).agents;
}

/** What an agent of the user's gets to see when it is only asked who it is. */
export function probeEnvironment(agent: ResolvedAgent): Record<string, string> {
  const names = ["PATH", "LANG", "TERM", ...agent.environmentNames];
  const found: Record<string, string> = {};
  for (const name of names) {
    const value = process.env[name];
    if (value !== undefined) found[name] = value;
  }
  return found;
}

async function surveyAgent(agent: ResolvedAgent, configured: boolean, home: string): Promise<AgentSurvey> {
  const { kind, command, capabilities } = agent.driver.describe();
  const probe = await agent.driver.probe({
    spawn: spawnLocal,
    env: { ...probeEnvironment(agent), HOME: home, TMPDIR: home },
    signal: AbortSignal.timeout(20_000),
  });
  return {
    name: agent.name,
    kind,
    command,
    configured,
    installed: probe.installed,
    programVersion: probe.version,
    detail: probe.detail,
    credentials: agent.credentialNames.map((name) => ({
      name,
      set: (process.env[name] ?? "") !== "" || Object.hasOwn(agent.keychain, name),
      named: agent.environmentNames.includes(name) || Object.hasOwn(agent.keychain, name),
    })),
    login:
      agent.loginFiles.length === 0
        ? null
        : {
            file: (await findLogin(agent.loginFiles, process.env))[0]?.from ?? null,
            given: agent.hasLogin,
          },
    capabilities,
  };
}

/** Looks at every configured and built-in agent, or at one. `home` is an empty folder: no agent sees the user's. */
export async function surveyAgents(checkout: string, home: string, only?: string): Promise<AgentSurvey[]> {
  const definitions = await readAgentConfig(checkout);
  const all = [
    ...new Set([...Object.keys(definitions), "scripted", ...Object.keys(BUILTIN_AGENTS)]),
  ].toSorted();
  const surveys: AgentSurvey[] = [];
  for (const name of only === undefined ? all : [only]) {
    try {
      const agent = resolveAgent(name, definitions, checkout);
      surveys.push(await surveyAgent({ ...agent, name }, Object.hasOwn(definitions, name), home));
    } catch (error) {
      if (only !== undefined || !isCanopyError(error)) throw error;
      process.stderr.write(`canopy: agent ${name}: ${error.message}\n`);
    }
  }
  return surveys;
}
