import { stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { CanopyError } from "@canopy/protocol";

/** Where an agent keeps what its own login gave it: below HOME, or below the folder that a variable names instead. */
export interface LoginFile {
  readonly variable: string | null;
  readonly folder: string;
  readonly file: string;
}

/** A login's file of the person, and where an agent with a HOME of its own looks for it, below that HOME. */
export interface LoginCopy {
  readonly from: string;
  readonly to: string;
}

/**
 * Login files by driver, or by the name of a built-in ACP agent; without the first an agent is not logged in. From the agents'
 * own documents; on macOS Claude Code keeps its login in the keychain instead.
 */
export const LOGIN_FILES: Readonly<Record<string, readonly LoginFile[]>> = {
  claude: [{ variable: "CLAUDE_CONFIG_DIR", folder: ".claude", file: ".credentials.json" }],
  codex: [{ variable: "CODEX_HOME", folder: ".codex", file: "auth.json" }],
  gemini: [
    { variable: null, folder: ".gemini", file: "oauth_creds.json" },
    { variable: null, folder: ".gemini", file: "google_accounts.json" },
  ],
  opencode: [{ variable: "XDG_DATA_HOME", folder: ".local/share", file: "opencode/auth.json" }],
};

/** Where a person's login of an agent is, by their environment, whether or not it is there. */
export function locateLogin(
  files: readonly LoginFile[],
  environment: Readonly<Record<string, string | undefined>>,
): LoginCopy[] {
  const home = environment["HOME"] ?? homedir();
  return files.map(({ variable, folder, file }) => {
    const named = variable === null ? undefined : environment[variable];
    return {
      from: join(named === undefined || named === "" ? join(home, folder) : named, file),
      to: join(folder, file),
    };
  });
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isFile() === true;
}

/** Those of a person's login that are there; empty when they are not logged in. */
export async function findLogin(
  files: readonly LoginFile[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<LoginCopy[]> {
  const copies = locateLogin(files, environment);
  const areThere = await Promise.all(copies.map(({ from }) => isFile(from)));
  return areThere[0] === true ? copies.filter((_copy, index) => areThere[index] === true) : [];
}

/**
 * What an agent is given of the person's login: nothing unless they said so. Throws `config.invalid` when they did and are
 * not logged in, or the agent has no login that Canopy knows.
 */
export async function readLogin(
  agent: { readonly name: string; readonly loginFiles: readonly LoginFile[]; readonly hasLogin: boolean },
  environment: Readonly<Record<string, string | undefined>>,
): Promise<LoginCopy[]> {
  if (!agent.hasLogin) return [];
  const found = await findLogin(agent.loginFiles, environment);
  if (found.length > 0) return found;
  const [first] = locateLogin(agent.loginFiles, environment);
  throw new CanopyError(
    "config.invalid",
    first === undefined
      ? `[agents.${agent.name}] login = true: Canopy does not know where ${agent.name} keeps its login`
      : `[agents.${agent.name}] login = true: you are not logged in, for there is no ${first.from}`,
    {
      hint:
        first === undefined
          ? "Name its key in the agent's `env` list instead."
          : `Log in with ${agent.name} itself, or name its key in the agent's \`env\` list.`,
    },
  );
}
