import type { Change } from "@canopy/protocol";
import { changeSchema } from "@canopy/protocol";
import { expect, test } from "vitest";
import { describeChange } from "./describe-change.ts";
import type { ChangeStep } from "./describe-change.ts";

const CHANGE = changeSchema.parse({
  changeId: "chg_1",
  taskId: "tsk_1",
  attemptId: "att_1",
  runId: "run_1",
  commit: "c",
  baseCommit: "b",
  integrationRef: "refs/heads/canopy/main",
  state: "conflicted",
  filesChanged: 1,
  conflicts: [{ path: "a.txt", kind: "content" }],
  reason: null,
  landedCommit: null,
  queuedAtMs: 0,
  endedAtMs: null,
});
const STEP = changeSchema.shape.ladder.unwrap().element.parse({
  rung: "resolver",
  outcome: "worked",
  attemptId: "att_2",
  detail: "",
  paths: [],
  costUsd: null,
  durationMs: 1,
  atMs: 1,
});

function say(type: string, change: Change, before?: Change): unknown {
  const step = describeChange({ type, change, before, task: undefined } satisfies ChangeStep);
  return step === null ? null : [step.kind, step.text];
}

test("a conflict, the agents that work on it, and what they achieve are told step by step", () => {
  const waiting = changeSchema.parse({ ...CHANGE, work: { rung: "resolver", attemptId: null, tip: "t" } });
  const working = changeSchema.parse({ ...CHANGE, work: { rung: "resolver", attemptId: "att_2", tip: "t" } });
  const resolved: Change = { ...CHANGE, state: "queued", revision: 1, ladder: [STEP], conflicts: [] };
  const failed: Change = { ...CHANGE, ladder: [{ ...STEP, outcome: "failed", detail: "no idea" }] };
  const building: Change = { ...resolved, state: "building" };
  expect([
    say("change.conflicted", CHANGE),
    say("change.conflicted", waiting),
    say("change.updated", waiting, CHANGE),
    say("change.updated", working, waiting),
    say("change.updated", working, working),
    say("change.conflicted", failed, working),
    say("change.updated", resolved, working),
    say("change.updated", building, resolved),
  ]).toEqual([
    ["conflicted", "a.txt (content)"],
    ["conflicted", "a.txt (content); a resolver will work on it"],
    null,
    ["working", "conflicted; a resolver works on it"],
    null,
    ["working", "a resolver did not help: no idea"],
    ["resolved", "resolved by a resolver; queued again"],
    null,
  ]);
});

test("red, blocked and set-aside changes say why", () => {
  const red: Change = { ...CHANGE, state: "failing", conflicts: [], reason: "test failed" };
  const repaired = changeSchema.parse({ ...red, work: { rung: "repair", attemptId: "att_3", tip: "t" } });
  expect([
    say("change.failing", red),
    say("change.updated", repaired, red),
    say("change.updated", { ...red, state: "blocked", reason: "no disk" }, red),
    say("change.updated", { ...red, state: "ejected", reason: "by ada" }, red),
  ]).toEqual([
    ["failing", "test failed"],
    ["working", "breaks the validation; a repair agent works on it"],
    ["blocked", "no disk"],
    ["aside", "by ada"],
  ]);
});
