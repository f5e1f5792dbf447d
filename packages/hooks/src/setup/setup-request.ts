import type { HookAgent } from "../events/hook-call.ts";

/** Whose configuration: the person's own, for all projects, or the project's, which others get by git. */
export type SetupScope = "user" | "project";

/** An MCP server that agents are to use: a command, or an address with headers. */
export type McpServer =
  | { readonly command: string; readonly args: readonly string[] }
  | { readonly url: string; readonly headers: Readonly<Record<string, string>> };

/** What is to be set up, and for whom. */
export interface SetupRequest {
  readonly agent: HookAgent;
  readonly scope: SetupScope;
  /** The person's home. */
  readonly home: string;
  /** Where agents look for their configuration: CLAUDE_CONFIG_DIR, CODEX_HOME, XDG_CONFIG_HOME. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The work tree's top; needed for the project's scope. */
  readonly projectRoot: string | null;
  /** The daemon's state folder: the command client and the records of set-ups are kept in it. */
  readonly stateDir: string;
  /** The daemon's loopback address and the token that only its hooks take; null for command hooks alone. */
  readonly http: { readonly url: string; readonly token: string } | null;
  /** The installed agent's version, such as `2.1.328`; null when it is not known, which counts as old. */
  readonly agentVersion: string | null;
  readonly mcp: McpServer | null;
}

/** Whether a version is at least another one; false for what is no version. */
export function isAtLeast(version: string | null, wanted: string): boolean {
  const parts = /(\d+)\.(\d+)\.(\d+)/.exec(version ?? "");
  const floor = wanted.split(".").map(Number);
  if (parts === null) return false;
  for (const [index, minimum] of floor.entries()) {
    const part = Number(parts[index + 1] ?? 0);
    if (part !== minimum) return part > minimum;
  }
  return true;
}
