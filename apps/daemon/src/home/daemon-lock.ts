import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { CanopyError } from "@canopy/protocol";

/**
 * Takes the lock that makes a daemon the only one of its user: an exclusive SQLite transaction that is never
 * committed. The kernel drops it when the process dies, however it dies, so it cannot go stale. Throws
 * `daemon.locked`.
 */
export function acquireDaemonLock(lockPath: string): Disposable {
  mkdirSync(dirname(lockPath), { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(lockPath, { timeout: 0 });
  try {
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    throw new CanopyError("daemon.locked", "another canopy daemon of this user is running", {
      hint: "see it with: canopy status",
      cause: error,
    });
  }
  // SQLite makes them with the process's umask. Opening them here to set it would drop the lock when closed.
  for (const path of [lockPath, `${lockPath}-journal`]) if (existsSync(path)) chmodSync(path, 0o600);
  return {
    [Symbol.dispose]() {
      database.close();
    },
  };
}
