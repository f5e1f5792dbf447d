import { expect, test } from "vitest";
import { waitUntil } from "../process-table.ts";
import { createPause, parseUsage } from "./process-tree.ts";
import type { ProcessTree, TreeUsage } from "./process-tree.ts";
import { startTreeWatch } from "./tree-watch.ts";
import type { TreeLimits } from "./tree-watch.ts";

const NOTHING: TreeUsage = { taskCount: 1, residentBytes: 0, cpuMs: 0 };
const MEGA = 2 ** 20;

/** A tree that takes what it is told to. */
function play(limits: TreeLimits, start: Partial<TreeUsage> = {}) {
  const state = {
    usage: { ...NOTHING, ...start },
    proportionalBytes: 0,
    killCount: 0,
    pauses: [] as boolean[],
  };
  const tree: ProcessTree = {
    slowestLookMs: 1_000,
    read: () => Promise.resolve(state.usage),
    readRemovedBytes: () => Promise.resolve(0),
    readProportionalBytes: () => Promise.resolve(state.proportionalBytes),
    setPaused: (isPaused) => {
      state.pauses.push(isPaused);
      return Promise.resolve();
    },
  };
  const killAll = (): Promise<void> => {
    state.killCount += 1;
    return Promise.resolve();
  };
  const watch = startTreeWatch({ limits, tree, killAll });
  if (watch === null) throw new Error("nothing is watched");
  return { state, watch };
}

test("memory that processes share is counted once, and who has too much is ended", async () => {
  const { state, watch } = play({ memoryBytes: 100 * MEGA }, { residentBytes: 150 * MEGA });
  state.proportionalBytes = 90 * MEGA;
  await using _watch = watch;
  expect(await waitUntil(() => watch.hit !== null, 200)).toBe(false);
  state.proportionalBytes = 110 * MEGA;
  expect(await waitUntil(() => watch.hit !== null, 5_000)).toBe(true);
  expect([await watch.describeHit(), state.killCount]).toEqual(["memory limit 100 MB", 1]);
});

test("too many processes are ended; as many as are allowed only explain a failure", async () => {
  const { state, watch } = play({ processCount: 20 }, { taskCount: 19 });
  await using _watch = watch;
  expect(await waitUntil(async () => (await watch.describeHit()) === "process limit 20", 5_000)).toBe(true);
  expect([watch.hit, state.killCount]).toEqual([null, 0]);
  state.usage = { ...NOTHING, taskCount: 21 };
  expect(await waitUntil(() => watch.hit === "process limit 20", 5_000)).toBe(true);
  expect(state.killCount).toBe(1);
});

test("who had more of the processor than its share stands still, and goes on when the watch ends", async () => {
  const { state, watch } = play({ cpuCount: 0.5 });
  state.usage = { ...NOTHING, cpuMs: 60_000 };
  expect(await waitUntil(() => state.pauses.length === 1, 5_000)).toBe(true);
  await watch[Symbol.asyncDispose]();
  expect(state.pauses).toEqual([true, false]);
});

test("who lets processes go on does so only when nobody else wants them to stand", async () => {
  const sent: string[] = [];
  const setPaused = createPause((name) => {
    sent.push(name);
    return Promise.resolve();
  });
  await Promise.all([setPaused(true), setPaused(true), setPaused(false)]);
  expect(sent).toEqual(["STOP", "STOP"]);
  await setPaused(false);
  expect(sent).toEqual(["STOP", "STOP", "CONT"]);
});

test("a process is read whatever its name is", () => {
  const rest = "S 1 7 7 0 -1 4194560 92 1 2 3 10 20 30 40 20 0 5 0 991 8192 300 1844";
  const usage = { cpuMs: 1000, taskCount: 5, residentBytes: 300 * 4096 };
  expect(parseUsage(`7 (a) b ( 9) ${rest}`)).toEqual(usage);
  expect(parseUsage("")).toBe(null);
});
