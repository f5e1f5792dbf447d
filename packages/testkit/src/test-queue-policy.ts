import type { QueuePolicy, RungBudget } from "@canopy/protocol";

const NONE: RungBudget = { attempts: 0, timeoutMs: 60_000, maxCostUsd: null, agent: null, model: null };

/** A queue policy for tests: no validation, no agents on the ladder, unless told. */
export function testQueuePolicy(overrides: Partial<QueuePolicy> = {}): QueuePolicy {
  return {
    mode: "off",
    validators: 2,
    windowStart: 4,
    windowMax: 32,
    commandsHash: "commands",
    handBack: NONE,
    resolver: NONE,
    repair: NONE,
    ...overrides,
  };
}

/** A budget of so many tries. */
export function testBudget(attempts: number): RungBudget {
  return { ...NONE, attempts };
}
