import { spawnSync } from "node:child_process";
import { homedir } from "node:os";
import { fileURLToPath } from "node:url";
import { ensureHookToken, findAgent, readHookToken } from "@canopy/hooks";
import type { HookAgent, McpServer, SetupRequest, SetupScope } from "@canopy/hooks";
import { CanopyError } from "@canopy/protocol/errors";
import { readDaemonInfo } from "../connection/daemon-files.ts";
import { daemonPaths } from "../connection/ensure-daemon.ts";

/** What `canopy setup` was asked to do. */
export interface SetupOptions {
  readonly scope: SetupScope;
  readonly mode: "install" | "uninstall" | "check";
  readonly isDryRun: boolean;
}

const DEFAULT_PORT = 7770;
/** How a configuration of one's own starts Canopy; one that others share finds it on their PATH. */
const LAUNCHER = fileURLToPath(new URL("../../bin/canopy", import.meta.url));
/** Stands in a dry run for a token that is only made when something is written. */
export const FUTURE_TOKEN = "(a token that is made then)";

/** The work tree's top above the current folder, or null outside of a repository. */
export function findProjectRoot(): string | null {
  const result = spawnSync("git", ["rev-parse", "--path-format=absolute", "--show-toplevel"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const root = result.stdout?.trim() ?? "";
  return result.status === 0 && root !== "" ? root : null;
}

/** The daemon's port, which hooks have to know beforehand: the running one's, else the configured one; null when that changes each time. */
function findHookPort(infoPath: string): number | null {
  const configured = process.env["CANOPY_PORT"];
  if (configured === "0") return null;
  const running = readDaemonInfo(infoPath)?.port;
  const port = running ?? Number(configured ?? DEFAULT_PORT);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new CanopyError("usage.invalid", `CANOPY_PORT is "${configured ?? ""}", which is no port`);
}

/** How agents start Canopy's tools. Some give what they start little of their environment, so a home of one's own is said. */
function createMcpServer(scope: SetupScope): McpServer {
  if (scope === "project") return { command: "canopy", args: ["mcp"] };
  const canopyHome = process.env["CANOPY_HOME"];
  return canopyHome === undefined
    ? { command: LAUNCHER, args: ["mcp"] }
    : { command: "/usr/bin/env", args: [`CANOPY_HOME=${canopyHome}`, LAUNCHER, "mcp"] };
}

/** What has to be known to set one agent up, or to take it out. */
export function createSetupRequest(agent: HookAgent, options: SetupOptions): SetupRequest {
  const { stateDir, infoPath } = daemonPaths();
  const home = process.env["HOME"] ?? homedir();
  const isInstall = options.mode !== "uninstall";
  const port = isInstall && agent === "claude" && options.scope === "user" ? findHookPort(infoPath) : null;
  const mayWrite = options.mode === "install" && !options.isDryRun;
  const token =
    mayWrite && port !== null ? ensureHookToken(stateDir) : (readHookToken(stateDir) ?? FUTURE_TOKEN);
  return {
    agent,
    scope: options.scope,
    home,
    env: process.env,
    projectRoot: findProjectRoot(),
    stateDir,
    http: port === null ? null : { url: `http://127.0.0.1:${port}`, token },
    agentVersion: isInstall ? findAgent(agent, { home, env: process.env }).version : null,
    mcp: createMcpServer(options.scope),
  };
}

/** Whether an agent is on this machine at all. */
export function isAgentPresent(agent: HookAgent): boolean {
  return findAgent(agent, { home: process.env["HOME"] ?? homedir(), env: process.env }).isPresent;
}
