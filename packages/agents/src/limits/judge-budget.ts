import type { Usage } from "@canopy/protocol";

/** What may be spent, each null for no limit. Tokens are input and output together, without what came from a cache. */
export interface BudgetLimits {
  readonly costUsd: number | null;
  readonly tokens: number | null;
  readonly turns: number | null;
  readonly timeMs: number | null;
}

/** What happens at the limit. `cheaper` goes on with another model once, and stops when that one is at its limit too. */
export type BudgetAction =
  | { readonly type: "stop" }
  | { readonly type: "ask" }
  | { readonly type: "cheaper"; readonly model: string };

/** A limit for a session, task, run or day. */
export interface Budget {
  readonly scope: "session" | "task" | "run" | "day";
  readonly limits: BudgetLimits;
  readonly action: BudgetAction;
}

/** What was spent within a scope so far. */
export interface Spending {
  readonly usage: Usage;
  readonly turns: number;
  readonly timeMs: number;
}

/** Which limit is reached, how much was spent of how much, and what to do. */
export interface BudgetBreach {
  readonly scope: Budget["scope"];
  readonly limit: keyof BudgetLimits;
  readonly spent: number;
  readonly allowed: number;
  readonly action: BudgetAction;
}

const ORDER = ["costUsd", "tokens", "turns", "timeMs"] as const;
const STRICTNESS = { stop: 0, ask: 1, cheaper: 2 } as const;

function spentOf(spending: Spending, limit: keyof BudgetLimits): number | null {
  if (limit === "turns") return spending.turns;
  if (limit === "timeMs") return spending.timeMs;
  const { usage } = spending;
  // A price that nobody tells cannot be held against a limit; token limits are for such agents.
  return limit === "costUsd" ? usage.costUsd : usage.inputTokens + usage.outputTokens;
}

function breachesOf(budget: Budget, spending: Spending): BudgetBreach[] {
  return ORDER.flatMap((limit) => {
    const allowed = budget.limits[limit];
    const spent = spentOf(spending, limit);
    if (allowed === null || spent === null || spent < allowed) return [];
    return [{ scope: budget.scope, limit, spent, allowed, action: budget.action }];
  });
}

/**
 * The reached limit that asks for the strictest action: stop before ask before a cheaper model; null while there is
 * room. A scope without a spending counts as unspent.
 */
export function judgeBudgets(
  budgets: readonly Budget[],
  spendings: Readonly<Partial<Record<Budget["scope"], Spending>>>,
): BudgetBreach | null {
  const breaches = budgets.flatMap((budget) => {
    const spending = spendings[budget.scope];
    return spending === undefined ? [] : breachesOf(budget, spending);
  });
  const sorted = breaches.toSorted(
    (left, right) => STRICTNESS[left.action.type] - STRICTNESS[right.action.type],
  );
  return sorted[0] ?? null;
}
