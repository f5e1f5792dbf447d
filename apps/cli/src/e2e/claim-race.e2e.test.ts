import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestRepository } from "./create-test-repository.ts";
import { NOTHING_LEFT } from "./find-leftovers.ts";
import type { TestHome } from "./open-test-home.ts";
import { openTestHome } from "./open-test-home.ts";

const PROCESSES = 8;
/** The whole race is run by `CANOPY_RACE_ROUNDS=10000`; fewer show the same in every run of the tests. */
const ROUNDS = Number(process.env["CANOPY_RACE_ROUNDS"] ?? "1000");

let home: TestHome;
beforeAll(async () => {
  home = await openTestHome();
  await home.canopy(["up"]);
});
afterAll(async () => {
  const left = await home.shutDown();
  await home[Symbol.asyncDispose]();
  expect(left).toEqual(NOTHING_LEFT);
});

async function ask(child: ChildProcess, message: string): Promise<string> {
  const answer = once(child, "message");
  child.send(message);
  const [said] = (await answer) as [string];
  return said;
}

test(
  `[N19] ${PROCESSES} processes, ${ROUNDS} rounds on one path: exactly one may edit in each`,
  { timeout: 600_000 },
  async () => {
    const cwd = join(home.root, "race");
    await createTestRepository(cwd, { "one.txt": "a\n" });
    const state = join(home.canopyHome, "state");
    const children = Array.from({ length: PROCESSES }, (_, index) =>
      fork(
        join(import.meta.dirname, "race-worker.ts"),
        [join(state, "hook.sock"), join(state, "daemon.sock"), cwd, `racer-${index}`],
        {
          env: { ...home.env },
        },
      ),
    );
    try {
      await Promise.all(children.map((child) => once(child, "message")));
      const wins = children.map(() => 0);
      for (let round = 0; round < ROUNDS; round += 1) {
        const said = await Promise.all(children.map((child) => ask(child, "go")));
        const winners = said.flatMap((word, index) => (word === "won" ? [index] : []));
        expect(winners, `round ${round}: ${said.join(", ")}`).toHaveLength(1);
        expect(said.filter((word) => word === "lost")).toHaveLength(PROCESSES - 1);
        const [winner = -1] = winners;
        wins[winner] = (wins[winner] ?? 0) + 1;
        const child = children[winner];
        if (child !== undefined) expect(await ask(child, "release")).toBe("released");
      }
      expect(wins.reduce((sum, count) => sum + count, 0)).toBe(ROUNDS);
      // A race that one of them always wins is none.
      expect(wins.filter((count) => count > 0).length).toBeGreaterThan(1);
    } finally {
      const gone = children.filter((child) => child.exitCode === null).map((child) => once(child, "exit"));
      for (const child of children) child.kill();
      await Promise.all(gone);
    }
  },
);
