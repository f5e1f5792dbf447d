import { appendFile, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { waitFor } from "./wait-for.ts";

/** Makes agents wait until the test lets them go on. Agents run in shells, and see the test's folder. */
export interface Gate {
  /** Shell lines: says that the agent is there, and waits for the gate. `CANOPY_TASK_ID` must be set. */
  readonly script: string;
  /** Resolves when so many agents have come to the gate. */
  waitForArrivals(count: number): Promise<void>;
  open(): Promise<void>;
}

/** Below the test's folder: what its agents may see of it. */
export const GATES_FOLDER = "gates";

/** Lets agents out of their sandbox to the gates, and to nothing else; git does not see the file. */
export async function showGates(
  repository: string,
  folder: string,
  gitDirectory = join(repository, ".git"),
): Promise<void> {
  await mkdir(join(folder, GATES_FOLDER), { recursive: true });
  await mkdir(join(repository, ".canopy"), { recursive: true });
  await appendFile(join(gitDirectory, "info", "exclude"), "/.canopy/\n");
  const mounts = JSON.stringify([join(folder, GATES_FOLDER)]);
  await appendFile(join(repository, ".canopy", "config.toml"), `[sandbox]\ncache_mounts = ${mounts}\n`);
}

/** Makes a closed gate below a folder. */
export async function createGate(folder: string, name = "gate"): Promise<Gate> {
  const arrivals = join(folder, GATES_FOLDER, `${name}-arrivals`);
  const opened = join(folder, GATES_FOLDER, `${name}-open`);
  await mkdir(arrivals, { recursive: true });
  return {
    script: `touch '${arrivals}'/"$CANOPY_TASK_ID"\nwhile [ ! -e '${opened}' ]; do sleep 0.05; done`,
    async waitForArrivals(count) {
      await waitFor(`${count} agents at the gate`, async () =>
        (await readdir(arrivals)).length >= count ? true : null,
      );
    },
    async open() {
      await writeFile(opened, "");
    },
  };
}
