import { execFile } from "node:child_process";
import { chown, mkdtemp, realpath } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { removeTree } from "../remove-tree.ts";

const run = promisify(execFile);
const SCENARIO = join(import.meta.dirname, "escape-scenario.ts");
const NOBODY = 65_534;
const USERS = process.getuid?.() === 0 ? (["root", "nobody"] as const) : (["self"] as const);

type Results = Record<string, string>;

async function attack(user: string): Promise<{ inside: Results; permitted: Results; without: Results }> {
  const base = await realpath(await mkdtemp(join(tmpdir(), "canopy-escape-")));
  try {
    if (user === "nobody") await chown(base, NOBODY, NOBODY);
    const id = String(NOBODY);
    const prefix = user === "nobody" ? ["setpriv", "--reuid", id, "--regid", id, "--clear-groups"] : [];
    const [program, ...args] = [...prefix, process.execPath, SCENARIO, base];
    const { stdout } = await run(program, args, { maxBuffer: 1 << 24, cwd: base });
    return JSON.parse(stdout) as { inside: Results; permitted: Results; without: Results };
  } finally {
    await removeTree(base);
  }
}

function namesWhere(results: Results, isWanted: (outcome: string) => boolean): string[] {
  return Object.keys(results).filter((name) => isWanted(results[name] ?? ""));
}

test.each(USERS)("every escape is blocked in the sandbox and works without it (%s)", async (user) => {
  const { inside, permitted, without } = await attack(user);
  expect(namesWhere(inside, (outcome) => outcome === "worked")).toEqual([]);
  // A test that would not work anywhere proves nothing.
  expect(namesWhere(without, (outcome) => outcome.startsWith("blocked"))).toEqual([]);
  expect(Object.keys(inside).length).toBeGreaterThanOrEqual(user === "nobody" ? 62 : 80);
  expect([inside["an ordinary file"], without["an ordinary file"]]).toEqual(["ordinary", "ordinary"]);
  expect(namesWhere(permitted, (outcome) => outcome === "worked")).toEqual(["canary .aws/credentials"]);
});
