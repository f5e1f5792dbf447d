import { chmodSync, lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Finding } from "./finding.ts";

const OTHERS = 0o077;
const MAX_NAMED = 3;

interface Open {
  readonly path: string;
  readonly mode: number;
}

function listOpen(folder: string): Open[] {
  const found: Open[] = [];
  const look = (path: string): void => {
    const info = lstatSync(path, { throwIfNoEntry: false });
    if (info === undefined || info.isSymbolicLink()) return;
    const mode = info.mode & 0o777;
    if ((mode & OTHERS) !== 0) found.push({ path, mode });
    if (info.isDirectory()) for (const name of readdirSync(path)) look(join(path, name));
  };
  look(folder);
  return found;
}

/**
 * Looks whether anything of the state folder (tokens, rooms, mail, logs) is open to other users of the machine. Mended by
 * taking their rights away.
 */
export function inspectModes(stateDir: string): Finding {
  const open = listOpen(stateDir);
  if (open.length === 0)
    return { name: "state-modes", state: "ok", detail: `${stateDir} is open to you only` };
  const named = open.slice(0, MAX_NAMED).map(({ path, mode }) => `${path} (${mode.toString(8)})`);
  const more = open.length > MAX_NAMED ? ` and ${open.length - MAX_NAMED} more` : "";
  return {
    name: "state-modes",
    state: "failed",
    detail: `open to other users: ${named.join(", ")}${more}`,
    hint: "canopy doctor --fix takes their rights away",
    mend: () => {
      for (const { path, mode } of open) chmodSync(path, mode & 0o700);
    },
  };
}
