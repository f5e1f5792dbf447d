import { execFile } from "node:child_process";
import { chown, mkdtemp, realpath } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { removeTree } from "../../remove-tree.ts";

const run = promisify(execFile);
const NOBODY = 65_534;

/** As whom scenarios are run: root can also be somebody ordinary. */
export const SCENARIO_USERS = process.getuid?.() === 0 ? (["root", "nobody"] as const) : (["self"] as const);

/** Runs a scenario, a program that prints JSON, in a temporary folder of a user's. Answers what it printed. */
export async function runScenario(scenario: string, user: string): Promise<unknown> {
  const base = await realpath(await mkdtemp(join(tmpdir(), "canopy-scenario-")));
  try {
    if (user === "nobody") await chown(base, NOBODY, NOBODY);
    const id = String(NOBODY);
    const prefix = user === "nobody" ? ["setpriv", "--reuid", id, "--regid", id, "--clear-groups"] : [];
    const [program, ...args] = [...prefix, process.execPath, scenario, base];
    const { stdout } = await run(program, args, { maxBuffer: 1 << 24, cwd: base });
    const answer: unknown = JSON.parse(stdout);
    return answer;
  } finally {
    await removeTree(base);
  }
}
