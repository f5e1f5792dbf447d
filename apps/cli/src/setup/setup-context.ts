import { spawnSync } from "node:child_process";
import { homedir } from "node:os";
import { ensureHookToken, findAgent, readHookToken } from "@canopy/hooks";
import type { HookAgent, SetupRequest, SetupScope } from "@canopy/hooks";
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
    mcp: null,
  };
}

/** Whether an agent is on this machine at all. */
export function isAgentPresent(agent: HookAgent): boolean {
  return findAgent(agent, { home: process.env["HOME"] ?? homedir(), env: process.env }).isPresent;
}
