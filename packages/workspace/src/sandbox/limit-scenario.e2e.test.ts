import { join } from "node:path";
import { expect, test } from "vitest";
import { runScenario, SCENARIO_USERS } from "./test-support/run-scenario.ts";

const SCENARIO = join(import.meta.dirname, "limit-scenario.ts");

test.each(SCENARIO_USERS)(
  "who takes too much is stopped at each level that has limits, with control groups and without, and told why (%s)",
  async (user) => {
    // A group is told of what it refuses; without one the processes are looked at, and listened to when they fail.
    const limited = {
      "memory hog": "stopped: memory limit 128 MB",
      "memory hog that grows": "stopped: memory limit 128 MB",
      "memory hog that leaves its control group": "stopped: memory limit 128 MB",
      "memory hogs that are large together": "stopped: memory limit 128 MB",
      "process flood": "stopped: process limit 60",
      "descriptor flood": "stopped: open files limit 256",
      "one large file": "stopped: disk limit 20 MB",
      "many files that are large together": "stopped: disk limit 20 MB",
      "files that are removed while they are open": "stopped: disk limit 20 MB",
      "many files in TMPDIR": "stopped: file limit 2000",
      "a long run": "stopped: time limit 0.5 s",
      // Held back, not ended.
      "a greedy loop": "stopped: by an error",
    };
    const { "a greedy loop": _held, ...limitedAlone } = limited;
    expect(await runScenario(SCENARIO, user)).toEqual({
      none: Object.fromEntries(Object.keys(limited).map((name) => [name, "worked"])),
      process: limited,
      sandbox: limited,
      processAlone: limited,
      sandboxAlone: limited,
      // Without a namespace either.
      plainAlone: limitedAlone,
    });
  },
);
