import type { AgentSurvey } from "./survey-agents.ts";

type SignIn = Pick<AgentSurvey, "name" | "credentials" | "login">;

/** In a word or two, how an agent is signed in when Canopy starts it: by a key, by a copy of the person's login, or not. */
export function summarizeSignIn({ credentials, login }: SignIn): string {
  if (credentials.some(({ set, named }) => set && named)) return "key";
  if (login?.given === true) return login.file === null ? "login missing" : "login";
  if (credentials.some(({ named }) => named)) return "key missing";
  if (credentials.some(({ set }) => set)) return "no: key not named";
  if (login !== null && login.file !== null) return "no: login not given";
  return credentials.length === 0 && login === null ? "unknown" : "no";
}

/** What there is of keys and logins, and what to write where so that the agent has them; a line for each. */
export function describeSignIn({ name, credentials, login }: SignIn): string[] {
  const table = `[agents.${name}]`;
  const keys = credentials.map(({ name: key, set, named }) => {
    if (named) return `key: ${key}, ${set ? "given to it" : "named for it, but not set"}`;
    const how = `to give it: ${table} env = [${JSON.stringify(key)}] in ~/.config/canopy/agents.toml`;
    return `key: ${key} is ${set ? `set, not given to it; ${how}` : "not set"}`;
  });
  if (login === null) return keys.length === 0 ? ["key: no variable is known for it"] : keys;
  if (login.file === null)
    return [...keys, `login: ${login.given ? "to be given, but there is none" : "none"}`];
  const rest = login.given
    ? "a copy is given to it"
    : `not given to it; to give it a copy: ${table} login = true in ~/.config/canopy/agents.toml`;
  return [...keys, `login: ${login.file}, ${rest}`];
}
