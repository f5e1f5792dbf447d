import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CanopyError } from "@canopy/protocol";
import { listAgentHooks } from "./agent-hooks.ts";
import { CLIENT_NAME, clientPath } from "./client-command.ts";
import type { JsonEntry } from "./insert-json.ts";
import { createJsonFile } from "./json-file.ts";
import type { ManagedFile } from "./managed-file.ts";
import { createOwnedFile } from "./owned-file.ts";
import type { McpServer, SetupRequest } from "./setup-request.ts";
import { createTomlBlockFile } from "./toml-block-file.ts";

const SHARED_MODE = 0o644;
const SECRET_MODE = 0o600;
const SERVER = "canopy";

function readAsset(name: string): string {
  return readFileSync(new URL(`../../client/${name}`, import.meta.url), "utf8");
}

/** The folder of an agent's configuration. */
function folderOf(request: SetupRequest): string {
  const { agent, env, home } = request;
  const inProject = {
    claude: ".claude",
    codex: ".codex",
    gemini: ".gemini",
    cursor: ".cursor",
    opencode: ".opencode",
  };
  if (request.scope === "project") {
    if (request.projectRoot === null)
      throw new CanopyError("repository.not-found", "there is no repository here to set up", {
        hint: "run it inside of a repository, or with --user",
      });
    return join(request.projectRoot, inProject[agent]);
  }
  if (agent === "claude") return env["CLAUDE_CONFIG_DIR"] ?? join(home, ".claude");
  if (agent === "codex") return env["CODEX_HOME"] ?? join(home, ".codex");
  if (agent === "opencode") return join(env["XDG_CONFIG_HOME"] ?? join(home, ".config"), "opencode");
  return join(home, inProject[agent]);
}

/** The command client, which all agents but OpenCode start, and the git hooks. */
export function listClientFiles(stateDir: string): ManagedFile[] {
  const script = clientPath(stateDir);
  return [
    createOwnedFile({
      path: script,
      mode: 0o755,
      content: readAsset(CLIENT_NAME),
      mark: "canopy-hook AGENT EVENT",
    }),
    createOwnedFile({
      path: `${script}.cjs`,
      mode: 0o644,
      content: readAsset(`${CLIENT_NAME}.cjs`),
      mark: "canopy-hook where there is no perl",
    }),
  ];
}

/** The plugin has no fixed paths in it, so that a project's copy says nothing of anyone's home. */
function listOpenCodeFiles(request: SetupRequest, folder: string): ManagedFile[] {
  const plugin = createOwnedFile({
    path: join(folder, "plugin", "canopy.js"),
    mode: SHARED_MODE,
    content: readAsset("opencode-plugin.js"),
    mark: "canopy: written by `canopy setup opencode`",
  });
  if (request.mcp === null) return [plugin];
  const value =
    "url" in request.mcp
      ? { type: "remote", url: request.mcp.url, headers: request.mcp.headers }
      : { type: "local", command: [request.mcp.command, ...request.mcp.args] };
  const path = join(request.scope === "project" ? join(folder, "..") : folder, "opencode.json");
  return [plugin, createServerFile(request, path, ["mcp", SERVER], value)];
}

function createServerFile(
  request: SetupRequest,
  path: string,
  names: readonly string[],
  value: unknown,
): ManagedFile {
  const entries: JsonEntry[] = [{ kind: "member", names, value }];
  return createJsonFile({ path, mode: modeOf(request), entries, members: [names] });
}

function modeOf(request: SetupRequest): number {
  const hasSecret = request.http !== null || (request.mcp !== null && "url" in request.mcp);
  return request.scope === "user" && hasSecret ? SECRET_MODE : SHARED_MODE;
}

function codexServerLines(mcp: McpServer): string[] {
  const text = (value: string): string => JSON.stringify(value);
  if ("url" in mcp) {
    const headers = Object.entries(mcp.headers).map(([name, value]) => `${text(name)} = ${text(value)}`);
    return [`[mcp_servers.${SERVER}]`, `url = ${text(mcp.url)}`, `http_headers = { ${headers.join(", ")} }`];
  }
  const args = mcp.args.map(text).join(", ");
  return [`[mcp_servers.${SERVER}]`, `command = ${text(mcp.command)}`, `args = [${args}]`];
}

/** The file that names an agent's MCP servers where it is not the one with the hooks. */
function listServerFiles(request: SetupRequest, folder: string): ManagedFile[] {
  const { mcp, agent, scope } = request;
  if (mcp === null) return [];
  if (agent === "codex")
    return [
      createTomlBlockFile({
        path: join(folder, "config.toml"),
        mode: modeOf(request),
        lines: codexServerLines(mcp),
        table: ["mcp_servers", SERVER],
      }),
    ];
  if (agent === "cursor")
    return [createServerFile(request, join(folder, "mcp.json"), ["mcpServers", SERVER], mcp)];
  // Claude Code keeps a person's servers in a file of state that it rewrites all the time; `claude mcp add` is for that.
  if (agent === "claude" && scope === "project")
    return [
      createServerFile(request, join(folder, "..", ".mcp.json"), ["mcpServers", SERVER], {
        type: "url" in mcp ? "http" : "stdio",
        ...mcp,
      }),
    ];
  return [];
}

/** All files in which one agent's set-up has a part. Throws `repository.not-found` for a project where there is none. */
export function listManagedFiles(request: SetupRequest): ManagedFile[] {
  const folder = folderOf(request);
  const { agent } = request;
  if (agent === "opencode") return listOpenCodeFiles(request, folder);
  const name = agent === "claude" || agent === "gemini" ? "settings.json" : "hooks.json";
  const names = ["mcpServers", SERVER];
  const server: JsonEntry[] =
    agent === "gemini" && request.mcp !== null
      ? [
          {
            kind: "member",
            names,
            value:
              "url" in request.mcp ? { httpUrl: request.mcp.url, headers: request.mcp.headers } : request.mcp,
          },
        ]
      : [];
  const hooks = createJsonFile({
    path: join(folder, name),
    mode: modeOf(request),
    entries: [...listAgentHooks({ ...request, agent }), ...server],
    members: agent === "gemini" ? [names] : [],
    needed: agent === "cursor" ? [{ kind: "member", names: ["version"], value: 1 }] : [],
  });
  return [...listClientFiles(request.stateDir), hooks, ...listServerFiles(request, folder)];
}
