import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { ResolvedAgent } from "@canopy/agents";
import { CanopyError } from "@canopy/protocol";

const execute = promisify(execFile);

/**
 * Checks, before a run starts, that the agent's program can be started at all. Throws `agent.not-found`. What only a
 * workspace has, such as a script of the repository, is not judged.
 */
export async function requireAgentProgram(
  agent: ResolvedAgent,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const { program, command } = agent.driver.describe();
  if (program === null) return;
  try {
    // The shell also knows its own commands. It gets nothing of the environment but where to look.
    const env = { PATH: environment["PATH"] };
    await execute("sh", ["-c", 'command -v -- "$1"', "sh", program], { env });
  } catch (error) {
    const where = program.includes("/") ? "does not exist or cannot be executed" : "is not on the PATH";
    throw new CanopyError("agent.not-found", `agent "${agent.name}" cannot be started: ${program} ${where}`, {
      hint: "install it, or name another agent with --agent or in .canopy/config.toml",
      data: { command },
      cause: error,
    });
  }
}
