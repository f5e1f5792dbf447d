import { watch } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { isProcessAlive } from "./find-leftovers.ts";
import type { TestHome } from "./open-test-home.ts";
import { waitFor } from "./wait-for.ts";

/** Kills a home's daemon as soon as there is one that is not in `killed`, and adds it there. */
export async function killDaemon(home: TestHome, killed: number[]): Promise<void> {
  const pid = await waitFor("a daemon to kill", () => {
    const now = home.daemonPid();
    return now !== null && !killed.includes(now) && isProcessAlive(now) ? now : null;
  });
  process.kill(pid, "SIGKILL");
  killed.push(pid);
}

/**
 * Kills a home's daemon the moment a ref is written in a folder of a repository, such as `refs/heads/canopy`: what the ref
 * stands for is done then, and the daemon has not written down that it is. `fired` resolves after the kill.
 */
export async function killWhenRefMoves(
  home: TestHome,
  folder: string,
  killed: number[],
): Promise<{ readonly fired: Promise<string> }> {
  await mkdir(folder, { recursive: true });
  const fired = new Promise<string>((resolve, reject) => {
    const watcher = watch(folder, (_kind, name) => {
      const pid = home.daemonPid();
      if (name === null || name.endsWith(".lock") || pid === null || !isProcessAlive(pid)) return;
      watcher.close();
      process.kill(pid, "SIGKILL");
      killed.push(pid);
      resolve(join(folder, name));
    });
    watcher.on("error", reject);
  });
  return { fired };
}
