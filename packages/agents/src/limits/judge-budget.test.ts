import { ZERO_USAGE } from "@canopy/protocol";
import { expect, test } from "vitest";
import { judgeBudgets } from "./judge-budget.ts";
import type { Budget, BudgetLimits, Spending } from "./judge-budget.ts";

const NONE: BudgetLimits = { costUsd: null, tokens: null, turns: null, timeMs: null };
const spending = (change: Partial<Spending>): Spending => ({
  usage: ZERO_USAGE,
  turns: 0,
  timeMs: 0,
  ...change,
});
const budget = (
  limits: Partial<BudgetLimits>,
  action: Budget["action"],
  scope: Budget["scope"] = "task",
): Budget => ({
  scope,
  limits: { ...NONE, ...limits },
  action,
});

test("nothing is reached below a limit, without a limit, or without a price", () => {
  const budgets = [budget({ costUsd: 1, tokens: 100 }, { type: "stop" })];
  const usage = { ...ZERO_USAGE, inputTokens: 60, outputTokens: 39 };
  expect(judgeBudgets(budgets, { task: spending({ usage }), run: spending({ turns: 1e9 }) })).toBeNull();
});

test.each([
  ["costUsd", { usage: { ...ZERO_USAGE, costUsd: 2 } }, 2],
  ["tokens", { usage: { ...ZERO_USAGE, inputTokens: 1, outputTokens: 1 } }, 2],
  ["turns", { turns: 2 }, 2],
  ["timeMs", { timeMs: 2 }, 2],
] as const)("%s is reached when it is spent to the last", (limit, change, spent) => {
  const breach = judgeBudgets([budget({ [limit]: 2 }, { type: "ask" })], { task: spending(change) });
  expect(breach).toEqual({ scope: "task", limit, spent, allowed: 2, action: { type: "ask" } });
});

test("of several reached limits the strictest action counts", () => {
  const reached = { turns: 5 };
  const budgets = [
    budget({ turns: 1 }, { type: "cheaper", model: "small" }, "session"),
    budget({ turns: 5 }, { type: "stop" }, "day"),
    budget({ turns: 2 }, { type: "ask" }, "run"),
  ];
  const all = { session: spending(reached), day: spending(reached), run: spending(reached) };
  expect(judgeBudgets(budgets, all)?.scope).toBe("day");
  expect(judgeBudgets(budgets, { session: spending(reached), run: spending(reached) })?.scope).toBe("run");
});
