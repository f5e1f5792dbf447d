import { appendFile, mkdtemp } from "node:fs/promises";
import { basename, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Overlap } from "@canopy/protocol";
import { createTestRepository, userGit } from "./create-test-repository.ts";
import { NOTHING_LEFT } from "./find-leftovers.ts";
import { createGate, showGates } from "./open-gate.ts";
import { openTestHome } from "./open-test-home.ts";
import type { TestHome } from "./open-test-home.ts";
import { waitFor } from "./wait-for.ts";

let home: TestHome;
beforeAll(async () => {
  home = await openTestHome();
});
afterAll(async () => {
  const left = await home.shutDown();
  await home[Symbol.asyncDispose]();
  expect(left).toEqual(NOTHING_LEFT);
});

test("two running agents that edit one line are told of it, and people too, before either is done", async () => {
  const cwd = await mkdtemp(join(home.root, "radar-"));
  await createTestRepository(cwd, { "shared.txt": "start\n", "other.txt": "other\n" });
  await showGates(cwd, home.root);
  await appendFile(
    join(cwd, ".canopy", "config.toml"),
    '[queue]\nradar_interval = "500ms"\n[queue.hand_back]\nattempts = 0\n[queue.resolver]\nattempts = 0\n',
  );
  const gate = await createGate(home.root, basename(cwd));
  for (const title of ["left", "right"]) await home.ask(["task", "add", title], { cwd });
  await home.ask(["task", "add", "apart"], { cwd });
  // Those in each other's way wait until the radar's file tells them, and keep what it said as part of their work.
  const script = [
    'if [ "$CANOPY_TASK_TITLE" = apart ]; then echo apart > other.txt; else',
    '  echo "$CANOPY_TASK_TITLE" > shared.txt; tries=0',
    // Who goes on with a conflict has no radar, and need not wait for one.
    '  [ "$CANOPY_ATTEMPT_NUMBER" = 1 ] || tries=600',
    "  while [ ! -f .canopy/radar.md ] && [ $tries -lt 600 ]; do sleep 0.05; tries=$((tries + 1)); done",
    '  cp .canopy/radar.md "seen-$CANOPY_TASK_TITLE.md"',
    "fi",
    gate.script,
    'if [ "$CANOPY_TASK_TITLE" = apart ] && [ -f .canopy/radar.md ]; then cp .canopy/radar.md seen-apart.md; fi',
  ].join("\n");
  const running = home.start(["run", "-c", "3", "--agent", `command:${script}`], {
    cwd,
  });
  const found = await waitFor("the radar", async () => {
    const { overlaps } = await home.ask<{ overlaps: Overlap[] }>(["queue", "radar"], { cwd });
    return overlaps.length >= 2 ? overlaps : null;
  });
  expect(found.map(({ files }) => files)).toEqual([
    [{ path: "shared.txt", kind: "content" }],
    [{ path: "shared.txt", kind: "content" }],
  ]);
  await gate.open();
  await running.finished;
  const names = (await userGit(cwd, "ls-tree", "-r", "--name-only", "canopy/main")).split("\n");
  expect(names.some((name) => /^seen-(left|right)\.md$/.test(name))).toBe(true);
  expect(names).not.toContain(".canopy/radar.md");
  expect(names).not.toContain("seen-apart.md");
  expect(await userGit(cwd, "for-each-ref", "refs/canopy/checkpoints/")).toBe("");
});
