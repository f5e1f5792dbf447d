import { copyFile, lstat, mkdir, readdir, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { LOGIN_FILES } from "@canopy/agents";
import type { SessionId } from "@canopy/protocol";

const MAX_BYTES = 256 * 2 ** 20;
const MAX_FILES = 20_000;
const MAX_AGE_MS = 30 * 86_400_000;
/** What agents can do without: it only grows. */
const GROWING = ["snapshot", "log", "logs", "bin", "cache", "tmp", "shell-snapshots", "plugins"];
/** Logins are given anew each time, to who may have one: they are not kept, and never brought back. */
const LOGINS = Object.values(LOGIN_FILES).flatMap((files) => files.map(({ file }) => basename(file)));
const LEFT_OUT = new Set([...GROWING, ...LOGINS]);

/** What an agent remembers of its conversations, kept between the workspaces that one session goes through. */
export interface AgentHomes {
  /** Keeps what is at these places below a HOME; only when the agent's processes are gone. Returns whether it could. */
  keep(sessionId: SessionId, home: string, places: readonly string[]): Promise<boolean>;
  /** Puts what was kept into a new HOME. Returns whether there was anything. */
  restore(sessionId: SessionId, home: string): Promise<boolean>;
  /** Forgets what nobody has come back to for 30 days. */
  expire(nowMs: number): Promise<void>;
}

interface Budget {
  bytes: number;
  files: number;
}

class TooMuchError extends Error {}

class LinkInTheWayError extends Error {}

/**
 * Folders and plain files only: a link that an agent made leads nowhere, and is not followed. Neither is one that stands at the
 * target: what ran in a new workspace before (the setup command, say) may have put it there to lead Canopy out.
 */
async function copyPlain(from: string, to: string, budget: Budget): Promise<void> {
  const info = await lstat(from).catch(() => null);
  if (info === null) return;
  const there = await lstat(to).catch(() => null);
  if (there?.isSymbolicLink() === true) throw new LinkInTheWayError(to);
  if (info.isDirectory()) {
    await mkdir(to, { recursive: true, mode: 0o700 });
    for (const name of await readdir(from)) {
      if (!LEFT_OUT.has(name)) await copyPlain(join(from, name), join(to, name), budget);
    }
    return;
  }
  if (!info.isFile()) return;
  budget.bytes += info.size;
  budget.files += 1;
  if (budget.bytes > MAX_BYTES || budget.files > MAX_FILES) throw new TooMuchError();
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  await copyFile(from, to);
}

/** True when no part of the way from the HOME to a place is a link. */
async function isPlainWay(home: string, place: string): Promise<boolean> {
  let path = home;
  for (const part of place.split("/")) {
    path = join(path, part);
    const info = await lstat(path).catch(() => null);
    if (info === null || info.isSymbolicLink()) return false;
  }
  return true;
}

/** Keeps agents' memories below a folder of the daemon's own. */
export function openAgentHomes(directory: string): AgentHomes {
  return {
    async keep(sessionId, home, places) {
      const target = join(directory, sessionId);
      await rm(target, { recursive: true, force: true });
      const budget: Budget = { bytes: 0, files: 0 };
      try {
        for (const place of places) {
          if (await isPlainWay(home, place)) await copyPlain(join(home, place), join(target, place), budget);
        }
        return budget.files > 0;
      } catch {
        // Half a memory is worse than none: our transcript is told instead.
        await rm(target, { recursive: true, force: true });
        return false;
      }
    },
    async restore(sessionId, home) {
      const source = join(directory, sessionId);
      if ((await stat(source).catch(() => null)) === null) return false;
      const budget: Budget = { bytes: 0, files: 0 };
      try {
        await copyPlain(source, home, budget);
        return budget.files > 0;
      } catch (error) {
        if (error instanceof LinkInTheWayError) return false;
        throw error;
      }
    },
    async expire(nowMs) {
      for (const name of await readdir(directory).catch(() => [])) {
        const path = join(directory, name);
        const info = await stat(path).catch(() => null);
        if (info !== null && nowMs - info.mtimeMs > MAX_AGE_MS)
          await rm(path, { recursive: true, force: true });
      }
    },
  };
}
