import { access } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runScenario, SCENARIO_USERS } from "./test-support/run-scenario.ts";

const SCENARIO = join(import.meta.dirname, "limit-scenario.ts");

const hasControllers = await Promise.any(
  ["cgroup.controllers", "memory/cgroup.procs"].map((file) => access(join("/sys/fs/cgroup", file))),
).then(
  () => true,
  () => false,
);

test.each(SCENARIO_USERS)(
  "who takes too much is stopped at each level that has limits (%s)",
  async (user) => {
    const hasGroups = hasControllers && user === "root";
    const names = ["memory hog", "process flood", "descriptor flood", "one large file"];
    names.push("many files that are large together", "many files in TMPDIR", "a long run", "a greedy loop");
    const limited = {
      "memory hog": hasGroups ? "stopped: memory limit 128 MB" : "stopped: by an error",
      "process flood": hasGroups ? "stopped: process limit 60" : "stopped: by an error",
      "descriptor flood": "stopped: by an error",
      "one large file": "stopped: disk limit 20 MB",
      "many files that are large together": "stopped: disk limit 20 MB",
      "many files in TMPDIR": "stopped: file limit 2000",
      "a long run": "stopped: time limit 0.5 s",
      // Without control groups nothing limits the processor: docs/sandbox.md says so.
      "a greedy loop": hasGroups ? "stopped: by an error" : "worked",
    };
    expect(await runScenario(SCENARIO, user)).toEqual({
      none: Object.fromEntries(names.map((name) => [name, "worked"])),
      process: limited,
      sandbox: limited,
    });
  },
);
