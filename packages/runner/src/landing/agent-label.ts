import { basename } from "node:path";

/**
 * The name of an agent for commits and people: `command`, `scripted`, the program of `acp:COMMAND`, or a configured name.
 * Never the command line itself, which may hold what should not be published.
 */
export function agentLabel(agent: string): string {
  const colon = agent.indexOf(":");
  if (colon === -1) return agent;
  const prefix = agent.slice(0, colon);
  if (prefix !== "acp") return prefix;
  const [program = ""] = agent
    .slice(colon + 1)
    .trim()
    .split(/\s+/);
  return basename(program) === "" ? "acp" : basename(program);
}
