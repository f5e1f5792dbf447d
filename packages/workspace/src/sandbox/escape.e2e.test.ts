import { join } from "node:path";
import { expect, test } from "vitest";
import { runScenario, SCENARIO_USERS } from "./test-support/run-scenario.ts";

const SCENARIO = join(import.meta.dirname, "escape-scenario.ts");

type Results = Record<string, string>;
type Outcome = Readonly<Record<"inside" | "permitted" | "without" | "atProcess" | "withoutAgain", Results>>;

async function attack(user: string): Promise<Outcome> {
  return (await runScenario(SCENARIO, user)) as Outcome;
}

function namesWhere(results: Results, isWanted: (outcome: string) => boolean): string[] {
  return Object.keys(results).filter((name) => isWanted(results[name] ?? ""));
}

test.each(SCENARIO_USERS)(
  "every escape is blocked in the sandbox and works without it (%s)",
  async (user) => {
    const { inside, permitted, without, atProcess, withoutAgain } = await attack(user);
    expect(namesWhere(inside, (outcome) => outcome === "worked")).toEqual([]);
    // A test that would not work anywhere proves nothing.
    expect(namesWhere(without, (outcome) => outcome.startsWith("blocked"))).toEqual([]);
    expect(Object.keys(inside).length).toBeGreaterThanOrEqual(user === "nobody" ? 115 : 145);
    // What the lesser level promises: the person's HOME and environment, other processes, limits and the end of every process.
    expect(namesWhere(atProcess, (outcome) => outcome === "worked")).toEqual([]);
    expect(namesWhere(withoutAgain, (outcome) => outcome.startsWith("blocked"))).toEqual([]);
    expect(Object.keys(withoutAgain).filter((name) => !(name in atProcess))).toEqual(["an ordinary file"]);
    const distinct = Object.keys(atProcess).filter((name) => !name.startsWith("canary "));
    expect(distinct.length).toBeGreaterThanOrEqual(70);
    expect([inside["an ordinary file"], without["an ordinary file"]]).toEqual(["ordinary", "ordinary"]);
    expect(namesWhere(permitted, (outcome) => outcome === "worked")).toEqual(["canary .aws/credentials"]);
  },
);
