import type { AttemptJob, BudgetConfig, Spent, Usage } from "@canopy/protocol";
import { ZERO_USAGE, addUsage } from "@canopy/protocol";
import { judgeBudgets } from "@canopy/agents";
import type { Budget, BudgetAction, BudgetBreach, Spending } from "@canopy/agents";

type Scope = Budget["scope"];

const SCOPES: readonly Scope[] = ["session", "task", "run", "day"];
const DAY_MS = 86_400_000;

/** Counts what one attempt spends, live. */
export interface SpendingMeter {
  /** What the agent's process has used since it started. */
  noteUsage(usage: Usage): void;
  /** A tool call, or an answer. */
  noteStep(): void;
  /** A new process of the agent: its usage begins at nothing again. */
  beginProcess(): void;
  /** Room for as much again, after a change to a cheaper model. */
  grant(): void;
  readonly usage: Usage;
  readonly steps: number;
  judge(nowMs: number): BudgetBreach | null;
}

interface Account {
  usage: Usage;
  steps: number;
  /** Null for sessions and tasks: their time is the meter's own. */
  readonly sinceMs: number;
  readonly timeMs: number;
}

/** What is new since an earlier total of the same process; never negative, also when an agent corrects itself. */
function growth(before: Usage, after: Usage): Usage {
  const more = (name: "inputTokens" | "outputTokens" | "cacheReadTokens" | "cacheWriteTokens"): number =>
    Math.max(0, after[name] - before[name]);
  return {
    inputTokens: more("inputTokens"),
    outputTokens: more("outputTokens"),
    cacheReadTokens: more("cacheReadTokens"),
    cacheWriteTokens: more("cacheWriteTokens"),
    costUsd: after.costUsd === null ? null : Math.max(0, after.costUsd - (before.costUsd ?? 0)),
  };
}

function toAction(config: BudgetConfig, canChange: boolean): BudgetAction {
  if (config.at_limit === "ask") return { type: "ask" };
  if (config.at_limit === "cheaper" && canChange && config.cheaper_model !== undefined)
    return { type: "cheaper", model: config.cheaper_model };
  return { type: "stop" };
}

function toBudget(config: BudgetConfig, scope: Scope, factor: number, canChange: boolean): Budget {
  const { cost_usd: costUsd, tokens, turns, time } = config[scope];
  const times = (limit: number | undefined): number | null => (limit === undefined ? null : limit * factor);
  return {
    scope,
    limits: { costUsd: times(costUsd), tokens: times(tokens), turns: times(turns), timeMs: times(time) },
    action: toAction(config, canChange),
  };
}

/**
 * What this runner's attempts spend, by session, task, run and day. An account begins with what the room knew of finished work
 * when it was opened here, and grows live with every attempt that counts for it.
 */
export class SpendingBook {
  readonly #accounts = new Map<string, Account>();

  /** Opens the meter of an attempt. */
  open(job: AttemptJob, config: BudgetConfig, nowMs: number): SpendingMeter {
    const { spent, sessionId, taskId, runId } = job;
    const day = Math.floor(nowMs / DAY_MS);
    const keys: Record<Scope, string> = {
      session: `session:${sessionId}`,
      task: `task:${taskId}`,
      run: `run:${runId}`,
      day: `day:${day}`,
    };
    for (const scope of SCOPES) this.#begin(keys[scope], spent?.[scope], nowMs);
    return this.#createMeter(keys, config, { nowMs, grants: spent?.grants ?? 0 });
  }

  #begin(key: string, spent: Spent | undefined, nowMs: number): void {
    if (this.#accounts.has(key)) return;
    const { usage = ZERO_USAGE, steps = 0, timeMs = 0 } = spent ?? {};
    this.#accounts.set(key, { usage, steps, timeMs, sinceMs: nowMs });
  }

  #createMeter(
    keys: Readonly<Record<Scope, string>>,
    config: BudgetConfig,
    start: { readonly nowMs: number; readonly grants: number },
  ): SpendingMeter {
    const accounts = SCOPES.map((scope) => this.#accounts.get(keys[scope])).filter(
      (each) => each !== undefined,
    );
    let processUsage = ZERO_USAGE;
    let usage = ZERO_USAGE;
    let steps = 0;
    let granted = 0;
    const spendings = (nowMs: number): Record<Scope, Spending> => {
      const of = (scope: Scope): Spending => {
        const account = this.#accounts.get(keys[scope]);
        const { usage: all = ZERO_USAGE, steps: turns = 0, timeMs = 0, sinceMs = nowMs } = account ?? {};
        const isShared = scope === "run" || scope === "day";
        return { usage: all, turns, timeMs: timeMs + nowMs - (isShared ? sinceMs : start.nowMs) };
      };
      return { session: of("session"), task: of("task"), run: of("run"), day: of("day") };
    };
    return {
      get usage() {
        return usage;
      },
      get steps() {
        return steps;
      },
      beginProcess: () => {
        processUsage = ZERO_USAGE;
      },
      noteUsage: (total) => {
        const more = growth(processUsage, total);
        processUsage = total;
        usage = addUsage(usage, more);
        for (const account of accounts) account.usage = addUsage(account.usage, more);
      },
      noteStep: () => {
        steps += 1;
        for (const account of accounts) account.steps += 1;
      },
      grant: () => {
        granted += 1;
      },
      judge: (nowMs) => {
        const factor = 1 + start.grants + granted;
        const budgets = SCOPES.map((scope) => toBudget(config, scope, factor, granted === 0));
        return judgeBudgets(budgets, spendings(nowMs));
      },
    };
  }
}

const UNITS = { costUsd: "USD", tokens: "tokens", turns: "steps", timeMs: "s" } as const;

/** A reached limit in words. */
export function describeBreach({ scope, limit, spent, allowed }: BudgetBreach): string {
  const scale = (value: number): string =>
    limit === "timeMs" ? String(Math.round(value / 1000)) : String(Math.round(value * 10_000) / 10_000);
  return `the ${scope}'s budget is used up: ${scale(spent)} of ${scale(allowed)} ${UNITS[limit]}`;
}
