import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { REAL_AGENTS, findRealAgent } from "@canopy/testkit";
import { expect, test } from "vitest";

const execute = promisify(execFile);
const ROOT = join(import.meta.dirname, "../../..");
const SOME_ARE_INSTALLED = REAL_AGENTS.some((agent) => findRealAgent(agent.name) !== null);

// The whole suite runs inside a network namespace, for the scripted model must be on the same loopback as the agents.
test.skipIf(!SOME_ARE_INSTALLED)("the real agents work where there is no network but loopback", async () => {
  const { stdout } = await execute(
    "unshare",
    [
      "-rn",
      "sh",
      "-c",
      'ip link set lo up && test "$(ls /sys/class/net | wc -l)" -ge 1 && ! ip route | grep -q . && exec "$@"',
      "sh",
      process.execPath,
      join(ROOT, "node_modules/vitest/vitest.mjs"),
      "run",
      "--project",
      "e2e-agents",
      "--reporter=json",
      "packages/agents/src/real-agents.e2e.test.ts",
      "-t",
      "edits, runs",
    ],
    { cwd: ROOT, maxBuffer: 1 << 26 },
  );
  const report = JSON.parse(stdout.slice(stdout.indexOf("{"))) as Record<string, unknown>;
  const installed = REAL_AGENTS.filter((agent) => findRealAgent(agent.name) !== null).length;
  expect([report["numPassedTests"], report["numFailedTests"]]).toEqual([installed, 0]);
});
