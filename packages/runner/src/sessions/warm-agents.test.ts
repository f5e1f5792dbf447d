import { expect, test } from "vitest";
import { WarmAgents } from "./warm-agents.ts";
import type { WarmRecipe, Waiting } from "./warm-agents.ts";

const LOG = { info: () => undefined, warn: () => undefined, error: () => undefined };
const SIGNAL = new AbortController().signal;

/** Agents that are nothing but a line in a list when they end. */
function createWorld(): { tip: string; ended: string[]; recipe: (key: string) => WarmRecipe<Waiting> } {
  let count = 0;
  const world = {
    tip: "a",
    ended: new Array<string>(),
    recipe: (key: string): WarmRecipe<Waiting> => ({
      key,
      readCommit: () => Promise.resolve(world.tip),
      make: () => {
        count += 1;
        const name = `${key}${count}@${world.tip}`;
        return Promise.resolve({
          prepared: {
            exited: new Promise<void>(() => undefined),
            [Symbol.asyncDispose]: () => Promise.resolve(),
          },
          workspace: { commit: world.tip, dispose: () => Promise.resolve(void world.ended.push(name)) },
          release: () => Promise.resolve(),
        });
      },
    }),
  };
  return world;
}

test("one waits for each kind, never more than attempts at work, and goes to one taker", async () => {
  const world = createWorld();
  const warm = new WarmAgents<Waiting>(LOG);
  warm.refill(world.recipe("x"));
  expect(await warm.take(world.recipe("x"), SIGNAL)).toBe(null);
  using _one = warm.enter();
  for (const key of ["x", "x", "y"]) warm.refill(world.recipe(key));
  expect(await warm.take(world.recipe("y"), SIGNAL)).toBe(null);
  expect((await warm.take(world.recipe("x"), SIGNAL))?.workspace.commit).toBe("a");
  expect(await warm.take(world.recipe("x"), SIGNAL)).toBe(null);
  await warm.end();
  expect(world.ended).toEqual([]);
});

test("one with old files is made anew when the branch moves, and given to nobody", async () => {
  const world = createWorld();
  const warm = new WarmAgents<Waiting>(LOG);
  using _one = warm.enter();
  warm.refill(world.recipe("x"));
  world.tip = "b";
  await warm.refresh();
  expect((await warm.take(world.recipe("x"), SIGNAL))?.workspace.commit).toBe("b");
  warm.refill(world.recipe("x"));
  world.tip = "c";
  expect(await warm.take(world.recipe("x"), SIGNAL)).toBe(null);
  warm.refill(world.recipe("x"));
  await warm.end();
  warm.refill(world.recipe("x"));
  expect(world.ended.toSorted()).toEqual(["x1@a", "x3@b", "x4@c"]);
});
