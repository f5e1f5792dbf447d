import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTaskEnvironment } from "@canopy/agents";
import type { AgentTask, ResolvedAgent } from "@canopy/agents";
import type { Workspace } from "@canopy/workspace";
import { isConversational } from "./open-attempt-session.ts";

const SHELL_FILE = join(".canopy", "shell.sh");
const KEY_NAME = /_(?:API_KEY|AUTH_TOKEN)$/;

/**
 * What an agent's process is started with. Its shell tools read a file before every command: bash the one that BASH_ENV names;
 * Claude Code takes that away, and has CLAUDE_ENV_FILE for it. SHLVL: the outermost bash with a socket as its input believes that
 * ssh started it, and reads .bashrc instead.
 */
export function createProcessEnvironment(
  agent: ResolvedAgent,
  workspace: Pick<Workspace, "env" | "homeDirectory">,
  shown: Readonly<Record<string, string>>,
): Record<string, string> {
  const file = join(workspace.homeDirectory, SHELL_FILE);
  const shell = isConversational(agent) ? { BASH_ENV: file, CLAUDE_ENV_FILE: file, SHLVL: "1" } : {};
  return { ...workspace.env, ...shell, ...shown };
}

function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/**
 * What the shell of an agent's tools is told before each command: which task it is for, as the agent's own process may have been
 * there before, and that the agent's key is none of its business.
 */
export function createShellFile(
  agent: Pick<ResolvedAgent, "credentialNames">,
  shown: Readonly<Record<string, string>>,
  task: AgentTask,
): string {
  const keys = Object.keys(shown).filter(
    (name) => /^\w+$/.test(name) && (KEY_NAME.test(name) || agent.credentialNames.includes(name)),
  );
  return [
    ...Object.entries(createTaskEnvironment(task)).map(([name, value]) => `export ${name}=${quote(value)}\n`),
    ...keys.map((name) => `unset ${name}\n`),
  ].join("");
}

/** Puts it into the session's private folder, once: what an agent made of it afterwards is its own. */
export async function writeShellFile(home: string, text: string): Promise<void> {
  await writeFile(join(home, SHELL_FILE), text, { flag: "wx", mode: 0o600 }).catch((error: unknown) => {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  });
}
