import { createHash } from "node:crypto";
import { homedir, tmpdir, userInfo } from "node:os";
import { join } from "node:path";

/** Longest path a unix socket may have: 108 bytes on Linux and 104 on macOS, with the closing zero. */
const MAX_SOCKET_PATH_BYTES = 100;

/** Where one user's daemon keeps everything. Absolute paths. */
export interface DaemonPaths {
  /** Rooms, token, logs: what must survive. */
  readonly stateDir: string;
  /** Workspaces and base checkouts: can be made again. */
  readonly cacheDir: string;
  readonly roomsDir: string;
  readonly socketPath: string;
  /** Where the hooks of agents are answered: beside the folder of their client, which looks for it there. */
  readonly hookSocketPath: string;
  readonly hookClientDir: string;
  readonly tokenPath: string;
  readonly lockPath: string;
  /** What the running daemon says about itself: pid, port, version. */
  readonly infoPath: string;
  readonly logPath: string;
}

/**
 * Finds the daemon's folders from an environment: `CANOPY_HOME` holds everything below one folder (tests, portable
 * set-ups); otherwise the XDG state and cache folders.
 */
export function resolveDaemonPaths(env: Readonly<Record<string, string | undefined>>): DaemonPaths {
  const home = env["HOME"] ?? homedir();
  const root = env["CANOPY_HOME"];
  const stateDir =
    root === undefined
      ? join(env["XDG_STATE_HOME"] ?? join(home, ".local", "state"), "canopy")
      : join(root, "state");
  const cacheDir =
    root === undefined ? join(env["XDG_CACHE_HOME"] ?? join(home, ".cache"), "canopy") : join(root, "cache");
  return {
    stateDir,
    cacheDir,
    roomsDir: join(stateDir, "rooms"),
    socketPath: socketPathFor(stateDir),
    hookSocketPath: join(stateDir, "hook.sock"),
    hookClientDir: join(stateDir, "hook"),
    tokenPath: join(stateDir, "token"),
    lockPath: join(stateDir, "daemon.lock"),
    infoPath: join(stateDir, "daemon.json"),
    logPath: join(stateDir, "daemon.log"),
  };
}

function socketPathFor(stateDir: string): string {
  const path = join(stateDir, "daemon.sock");
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return path;
  // Too long for a socket: a short folder that only this user and this state folder lead to.
  const hash = createHash("sha256").update(stateDir).digest("hex").slice(0, 16);
  return join(tmpdir(), `canopy-${userInfo().uid}-${hash}`, "daemon.sock");
}

/** Where a person's own agents are configured: what they may see, and how they are launched, for all projects. */
export function resolveUserAgentsPath(env: Readonly<Record<string, string | undefined>>): string {
  const root = env["CANOPY_HOME"];
  if (root !== undefined) return join(root, "config", "agents.toml");
  return join(env["XDG_CONFIG_HOME"] ?? join(env["HOME"] ?? homedir(), ".config"), "canopy", "agents.toml");
}
