import { changeSchema } from "@canopy/protocol";
import type { Change } from "@canopy/protocol";
import { expect, test } from "vitest";
import { describeState, formatChange } from "./format-change.ts";

function change(fields: Record<string, unknown>): Change {
  return changeSchema.parse({
    changeId: "chg_1",
    taskId: "tsk_1",
    attemptId: "att_1",
    runId: "run_1",
    commit: "c",
    baseCommit: "b",
    integrationRef: "refs/heads/canopy/main",
    state: "conflicted",
    filesChanged: 1,
    conflicts: [],
    reason: null,
    landedCommit: null,
    queuedAtMs: 0,
    endedAtMs: null,
    ...fields,
  });
}

test("a change is shown with its ladder's evidence, lost lines and what is done for it", () => {
  const step = {
    rung: "resolver",
    outcome: "failed",
    attemptId: "att_2",
    detail: "left \u001b[31mmarkers",
    paths: ["a", "b", "c", "d", "e", "f", "g"],
    costUsd: 0.5,
    durationMs: 65_000,
    atMs: 1,
  };
  const lost = [{ path: "a.txt", lines: ["one\u0007"], count: 2 }];
  const shown = formatChange(
    change({
      ladder: [step],
      lostLines: lost,
      scopes: ["web"],
      blockedBy: ["tsk_9"],
      work: { rung: "repair", attemptId: "att_3", tip: "t" },
    }),
    new Map(),
  );
  expect(shown).toEqual([
    "chg_1  conflicted",
    "task     tsk_1",
    "attempt  att_1",
    "commit   c on b",
    "branch   canopy/main",
    "scopes   web",
    "waits    for #?",
    "now      a repair agent works on it",
    "tried    a resolver: failed · left markers · a, b, c, d, e and 2 more · 1m05s · $0.5000 · att_2",
    "lost     a.txt: 2 lines of others would go away",
    "           - one",
    "accept   canopy queue accept chg_1",
  ]);
});

test("in a list a change says why it is where it is", () => {
  const conflicts = [{ path: "a.txt", kind: "content" }];
  const work = { rung: "hand-back", attemptId: null, tip: "t" };
  expect([
    describeState(change({ conflicts, reason: "it conflicts", work })),
    describeState(change({ conflicts, reason: "later", state: "ejected" })),
    describeState(change({ reason: "red", state: "failing" })),
    describeState(change({ state: "queued" })),
  ]).toEqual(["a.txt; the session that wrote it will work on it", "later", "red", ""]);
});
