import type { AttemptJob, Spent, Usage } from "@canopy/protocol";
import { ZERO_USAGE, attemptJobSchema, budgetConfigSchema } from "@canopy/protocol";
import { expect, test } from "vitest";
import { settleBreach } from "./budget-breach.ts";
import { SpendingBook, describeBreach } from "./spending-book.ts";

const NOTHING: Spent = { usage: ZERO_USAGE, steps: 0, timeMs: 0 };

function job(taskId: string, spent: Partial<NonNullable<AttemptJob["spent"]>> = {}): AttemptJob {
  return attemptJobSchema.parse({
    kind: "attempt",
    attemptId: `att_${taskId.slice(4)}`,
    attemptNumber: 1,
    runId: "run_a",
    taskId,
    sessionId: `ses_${taskId.slice(4)}`,
    title: "t",
    description: "",
    labels: [],
    prompt: "p",
    agent: "claude",
    model: null,
    timeoutMs: 1000,
    integrationRef: "refs/heads/canopy/main",
    baseBranch: "main",
    checkout: null,
    askedBy: "ada",
    ladder: null,
    spent: { session: NOTHING, task: NOTHING, run: NOTHING, day: NOTHING, grants: 0, ...spent },
  });
}

function used(inputTokens: number, costUsd: number | null = null): Usage {
  return { ...ZERO_USAGE, inputTokens, costUsd };
}

test("a session is stopped at its own limit; what an earlier process used still counts", () => {
  const config = budgetConfigSchema.parse({ session: { tokens: 100 } });
  const meter = new SpendingBook().open(job("tsk_a"), config, 0);
  meter.noteUsage(used(60));
  expect(meter.judge(0)).toBe(null);
  meter.beginProcess();
  meter.noteUsage(used(30));
  meter.noteUsage(used(45));
  const breach = meter.judge(0);
  expect(breach).toMatchObject({ scope: "session", limit: "tokens", spent: 105, allowed: 100 });
  expect(breach === null ? "" : describeBreach(breach)).toBe(
    "the session's budget is used up: 105 of 100 tokens",
  );
  expect(meter.usage).toEqual(used(105));
});

test("a run's budget is shared by all that work in it, and what was finished before counts", () => {
  const config = budgetConfigSchema.parse({ run: { cost_usd: 1 }, at_limit: "ask" });
  const book = new SpendingBook();
  const run = { usage: used(0, 0.5), steps: 0, timeMs: 0 };
  const first = book.open(job("tsk_a", { run }), config, 0);
  const second = book.open(job("tsk_b", { run }), config, 0);
  first.noteUsage(used(1, 0.3));
  expect([first.judge(0), second.judge(0)]).toEqual([null, null]);
  second.noteUsage(used(1, 0.2));
  expect(first.judge(0)).toMatchObject({ scope: "run", limit: "costUsd", action: { type: "ask" } });
  // The next attempt is told the room's newer total; here it is known already.
  const third = book.open(job("tsk_c", { run: { ...run, usage: used(0, 1) } }), config, 0);
  expect(third.judge(0)).toMatchObject({ scope: "run", spent: 1 });
});

test("steps and time have limits too; time is the attempt's own for a session and a task", () => {
  const steps = new SpendingBook().open(job("tsk_a"), budgetConfigSchema.parse({ task: { turns: 2 } }), 0);
  steps.noteStep();
  expect(steps.judge(0)).toBe(null);
  steps.noteStep();
  expect(steps.judge(0)).toMatchObject({ scope: "task", limit: "turns", spent: 2 });
  const before = { task: { ...NOTHING, timeMs: 50_000 } };
  const time = new SpendingBook().open(
    job("tsk_a", before),
    budgetConfigSchema.parse({ task: { time: "1m" } }),
    1000,
  );
  expect(time.judge(10_000)).toBe(null);
  expect(time.judge(11_000)).toMatchObject({ scope: "task", limit: "timeMs", spent: 60_000 });
});

test("a cheaper model gets as much again, once; a person's leave does so each time", () => {
  const config = budgetConfigSchema.parse({
    session: { tokens: 100 },
    at_limit: "cheaper",
    cheaper_model: "small",
  });
  const meter = new SpendingBook().open(job("tsk_a"), config, 0);
  meter.noteUsage(used(100));
  expect(meter.judge(0)?.action).toEqual({ type: "cheaper", model: "small" });
  meter.grant();
  expect(meter.judge(0)).toBe(null);
  meter.noteUsage(used(200));
  expect(meter.judge(0)?.action).toEqual({ type: "stop" });
  const granted = new SpendingBook().open(job("tsk_b", { grants: 2 }), config, 0);
  granted.noteUsage(used(299));
  expect(granted.judge(0)).toBe(null);
});

test("work that was finished at its limit is finished; what all share is no fault of the task", () => {
  const config = budgetConfigSchema.parse({ day: { tokens: 1 } });
  const meter = new SpendingBook().open(job("tsk_a"), config, 0);
  meter.noteUsage(used(1));
  const breach = meter.judge(0);
  const cancelled = { reason: "cancelled" as const, error: null };
  expect(settleBreach({ breach, result: { reason: "end_turn", error: null } })).toEqual({ type: "none" });
  expect(settleBreach({ breach, result: cancelled })).toMatchObject({
    type: "stop",
    failure: { cause: "run-budget", message: "the day's budget is used up: 1 of 1 tokens" },
  });
});
