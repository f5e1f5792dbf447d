import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { DaemonPaths } from "@canopy/daemon/paths";
import { resolveDaemonPaths } from "@canopy/daemon/paths";
import { CanopyError, ERROR_EXIT_CODES, isCanopyError } from "@canopy/protocol/errors";
import type { ErrorCode } from "@canopy/protocol";
import { readDaemonInfo } from "./daemon-files.ts";
import { writeHookStart } from "./hook-start.ts";
import { requestDaemon } from "./request.ts";

const START_TIMEOUT_MS = 20_000;
const POLL_MS = 25;
const LOCK_PAUSE_MS = 500;

/** The daemon's folders for this process's environment. */
export function daemonPaths(): DaemonPaths {
  return resolveDaemonPaths(process.env);
}

/** True when a daemon answers on the socket. */
export async function isDaemonUp(paths: DaemonPaths): Promise<boolean> {
  try {
    await requestDaemon(paths.socketPath, { method: "GET", path: "/status", timeoutMs: 5000 });
    return true;
  } catch (error) {
    if (isCanopyError(error) && (error.code === "daemon.unavailable" || error.code === "timed-out"))
      return false;
    throw error;
  }
}

/** What `canopy up` may ask of a new daemon. */
export interface StartOptions {
  readonly port?: number;
}

function readStartError(errorPath: string): CanopyError | null {
  let text: string;
  try {
    text = readFileSync(errorPath, "utf8");
  } catch {
    return null;
  }
  const line = text.split("\n").find((candidate) => candidate.startsWith("canopy-start-error "));
  if (line === undefined) return null;
  const value: unknown = JSON.parse(line.slice("canopy-start-error ".length));
  if (typeof value !== "object" || value === null) return null;
  const code: unknown = Reflect.get(value, "code");
  const hint: unknown = Reflect.get(value, "hint");
  const isKnown = typeof code === "string" && Object.hasOwn(ERROR_EXIT_CODES, code);
  const options = typeof hint === "string" ? { hint } : {};
  return new CanopyError(
    isKnown ? (code as ErrorCode) : "internal",
    String(Reflect.get(value, "message")),
    options,
  );
}

/**
 * Makes sure that a daemon runs and answers; starts one in the background when none does. Callers at once are fine: one
 * daemon wins, all go on with it; and one that is just stopping is waited for. Throws why none could start, such as
 * `daemon.port-taken`.
 */
export async function ensureDaemon(
  paths: DaemonPaths,
  options: StartOptions = {},
): Promise<"running" | "started"> {
  if (await isDaemonUp(paths)) return "running";
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadline) {
    if ((await startOnce(paths, options, deadline)) === "up") {
      writeHookStart(paths.hookClientDir, options.port);
      return "started";
    }
    // Whoever holds the lock is starting, and will answer, or is stopping, and will let go.
    if (await pollUntilUp(paths, () => false, Math.min(deadline, Date.now() + LOCK_PAUSE_MS)))
      return "running";
  }
  throw new CanopyError(
    "daemon.unavailable",
    `the daemon did not answer within ${START_TIMEOUT_MS / 1000} s`,
    { hint: `see ${paths.logPath}` },
  );
}

/** Starts a daemon and waits until one answers, or until this one ended because another holds the lock. */
async function startOnce(
  paths: DaemonPaths,
  { port }: StartOptions,
  deadline: number,
): Promise<"up" | "locked"> {
  const errorPath = `${paths.stateDir}/start-${process.pid}.err`;
  try {
    let exitCode: number | null = null;
    const child = spawnDaemon(paths, errorPath, port);
    child.on("exit", (code) => {
      exitCode = code ?? 1;
    });
    if (await pollUntilUp(paths, () => exitCode !== null, deadline)) return "up";
    const error = readStartError(errorPath);
    if (error?.code === "daemon.locked" || exitCode === null) return "locked";
    throw error ?? new CanopyError("daemon.unavailable", `the daemon ended at once; see ${paths.logPath}`);
  } finally {
    rmSync(errorPath, { force: true });
  }
}

function spawnDaemon(paths: DaemonPaths, errorPath: string, port: number | undefined): ChildProcess {
  mkdirSync(paths.stateDir, { recursive: true, mode: 0o700 });
  const errorFile = openSync(errorPath, "w", 0o600);
  const main = fileURLToPath(import.meta.resolve("@canopy/daemon/main"));
  // A small young generation keeps an idle daemon small (about 25 MB less), at the price of more, shorter collections.
  const args = ["--disable-warning=ExperimentalWarning", "--max-semi-space-size=2", main];
  if (port !== undefined) args.push("--port", String(port));
  const child = spawn(process.execPath, args, {
    detached: true,
    stdio: ["ignore", "ignore", errorFile],
    cwd: paths.stateDir,
  });
  closeSync(errorFile);
  child.unref();
  return child;
}

/** True as soon as a daemon answers; false when `isOver` says so or the time is over. */
async function pollUntilUp(paths: DaemonPaths, isOver: () => boolean, deadline: number): Promise<boolean> {
  while (Date.now() < deadline) {
    if (readDaemonInfo(paths.infoPath) !== null && (await isDaemonUp(paths))) return true;
    if (isOver()) return false;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return false;
}
