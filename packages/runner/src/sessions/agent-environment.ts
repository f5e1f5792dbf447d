import type { ResolvedAgent } from "@canopy/agents";
import { readKeychain } from "./read-keychain.ts";

/**
 * What a person lets an agent see: variables of the user's environment by name, and secrets of the keychain. Nothing is passed
 * on that nobody named. Throws `config.invalid` when the keychain does not have what was named.
 */
export async function readAgentEnvironment(
  agent: Pick<ResolvedAgent, "environmentNames" | "keychain">,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of agent.environmentNames) {
    const value = environment[name];
    if (value !== undefined) found[name] = value;
  }
  for (const [name, place] of Object.entries(agent.keychain))
    found[name] = await readKeychain(place, environment);
  return found;
}

/** What to do when an agent is not signed in and nobody named its usual key; null when that is not it. */
export function describeMissingKey(
  agent: Pick<ResolvedAgent, "name" | "credentialNames" | "loginFiles" | "hasLogin">,
  given: Readonly<Record<string, string>>,
): string | null {
  const { name, credentialNames, loginFiles, hasLogin } = agent;
  if (credentialNames.length === 0 || credentialNames.some((key) => key in given)) return null;
  if (hasLogin) return `log in again with ${name} itself: it does not take the login that it was given`;
  const login = loginFiles.length === 0 ? "" : ", or login = true for a copy of your own login,";
  return `agents see only what is named for them: [agents.${name}] env = [${JSON.stringify(credentialNames[0])}]${login} in ~/.config/canopy/agents.toml`;
}
