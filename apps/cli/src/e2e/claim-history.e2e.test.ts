import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ObservedOperation } from "./check-history.ts";
import { findBreach } from "./check-history.ts";
import { createTestRepository } from "./create-test-repository.ts";
import { NOTHING_LEFT } from "./find-leftovers.ts";
import type { TestHome } from "./open-test-home.ts";
import { openTestHome } from "./open-test-home.ts";

const CLIENTS = 8;
const OPERATIONS = 100;

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

type Seen = ObservedOperation & { readonly path: string };

test(`${CLIENTS} processes claim, renew, release, let expire, force and end at random: what they saw is linearisable`, async () => {
  const cwd = join(home.root, "history");
  await createTestRepository(cwd, { "a.txt": "a\n", "b.txt": "b\n" });
  const socket = join(home.canopyHome, "state", "daemon.sock");
  const seed = Math.floor(Math.random() * 1e9);
  const children = Array.from({ length: CLIENTS }, (_, index) =>
    fork(
      join(import.meta.dirname, "history-worker.ts"),
      [socket, cwd, String(index), String(seed + index), String(OPERATIONS)],
      { env: { ...home.env }, serialization: "advanced" },
    ),
  );
  try {
    await Promise.all(children.map((child) => once(child, "message")));
    const answers = children.map((child) => once(child, "message"));
    for (const child of children) child.send("go");
    const seen = (await Promise.all(answers)).flatMap(([said]: unknown[]) => {
      if (typeof said === "string") throw new Error(said);
      return said as Seen[];
    });
    for (const path of ["a.txt", "b.txt"]) {
      const history = seen.filter((operation) => operation.path === path);
      expect(history.length).toBeGreaterThan(CLIENTS * OPERATIONS * 0.3);
      const breach = findBreach(history);
      expect(breach, `seed ${seed}, ${path}: no order beyond ${JSON.stringify(breach?.at(-1))}`).toBe(null);
    }
    const granted = seen.filter(({ type, result }) => type === "claim" && result !== null).length;
    const refused = seen.filter(({ type, result }) => type === "claim" && result === null).length;
    expect([granted > 50, refused > 50]).toEqual([true, true]);
  } finally {
    const gone = children.filter((child) => child.exitCode === null).map((child) => once(child, "exit"));
    for (const child of children) child.kill();
    await Promise.all(gone);
  }
});
