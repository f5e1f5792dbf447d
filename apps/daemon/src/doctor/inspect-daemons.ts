import { existsSync, readFileSync, readdirSync, readlinkSync, rmSync, statSync } from "node:fs";
import { createConnection } from "node:net";
import { DatabaseSync } from "node:sqlite";
import type { DaemonPaths } from "../home/daemon-paths.ts";
import { isProcessAlive } from "../home/is-process-alive.ts";
import type { Finding } from "./finding.ts";

const MAIN = /apps\/daemon\/src\/main\.ts$/;
const ANSWER_WITHIN_MS = 2000;

function readPid(infoPath: string): number | null {
  try {
    const value: unknown = JSON.parse(readFileSync(infoPath, "utf8"));
    const pid: unknown = typeof value === "object" && value !== null ? Reflect.get(value, "pid") : null;
    return typeof pid === "number" ? pid : null;
  } catch {
    return null;
  }
}

/** True while a daemon holds the lock; it cannot go stale, for the kernel drops it with the process. */
function isLocked(lockPath: string): boolean {
  if (!existsSync(lockPath)) return false;
  const database = new DatabaseSync(lockPath, { timeout: 0 });
  try {
    database.exec("BEGIN EXCLUSIVE");
    database.exec("ROLLBACK");
    return false;
  } catch {
    return true;
  } finally {
    database.close();
  }
}

/** Daemons of this user that keep another state folder: a daemon's own folder is where it was started. Linux only. */
function findOthers(stateDir: string): string[] {
  if (!existsSync("/proc/self/cmdline")) return [];
  const uid = process.getuid?.();
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return [];
    try {
      if (statSync(`/proc/${name}`).uid !== uid) return [];
      const args = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0");
      if (!args.some((arg) => MAIN.test(arg))) return [];
      const cwd = readlinkSync(`/proc/${name}/cwd`);
      return cwd === stateDir ? [] : [`pid ${name} in ${cwd}`];
    } catch {
      // It ended while it was looked at.
      return [];
    }
  });
}

/** Resolves with true when somebody listens on a unix socket. */
async function isAnswered(path: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = createConnection(path);
    const end = (isUp: boolean): void => {
      socket.destroy();
      resolve(isUp);
    };
    socket.setTimeout(ANSWER_WITHIN_MS, () => end(false));
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}

function inspectTraces(paths: DaemonPaths): Finding {
  const name = "daemon-lock";
  const pid = readPid(paths.infoPath);
  if (isLocked(paths.lockPath)) {
    if (pid !== null && isProcessAlive(pid)) return { name, state: "ok", detail: `held by pid ${pid}` };
    const hint =
      "it may be starting; if this stays, end the process that has daemon.lock open (fuser daemon.lock)";
    return { name, state: "failed", detail: `${paths.lockPath} is held, but no daemon says it runs`, hint };
  }
  const traces = [paths.infoPath, paths.socketPath, paths.hookSocketPath].filter((path) => existsSync(path));
  if (traces.length === 0)
    return { name, state: "ok", detail: "no daemon runs, and none left anything behind" };
  return {
    name,
    state: "failed",
    detail: `left behind by a daemon that is gone: ${traces.join(", ")}`,
    hint: "canopy doctor --fix removes them",
    mend: () => {
      for (const path of traces) rmSync(path, { force: true });
    },
  };
}

/** Looks at the lock, at what a daemon left behind, and for daemons that keep other state folders. */
export function inspectDaemons(paths: DaemonPaths): Finding[] {
  const others = findOthers(paths.stateDir);
  const second: Finding =
    others.length === 0
      ? { name: "daemons", state: "ok", detail: "no other daemon of yours runs" }
      : {
          name: "daemons",
          state: "warning",
          detail: `other daemons of yours run, and know nothing of this one's claims: ${others.join(", ")}`,
          hint: "end them with CANOPY_HOME set to their folder: canopy down",
        };
  return [inspectTraces(paths), second];
}

/** Looks whether the socket that agents' hooks go to is answered. */
export async function inspectHookSocket(paths: DaemonPaths): Promise<Finding> {
  const name = "hook-socket";
  if (await isAnswered(paths.hookSocketPath)) return { name, state: "ok", detail: paths.hookSocketPath };
  const detail = `nobody answers at ${paths.hookSocketPath}: agents go on without coordination`;
  return { name, state: "failed", detail, hint: "start the daemon anew: canopy down, canopy up" };
}
