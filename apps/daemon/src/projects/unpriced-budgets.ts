import { resolveAgent } from "@canopy/agents";
import type { ProjectConfig } from "@canopy/protocol";

const SCOPES = ["session", "task", "run", "day"] as const;

/** Says of each agent that tells no prices that budgets in money do not hold for it; nothing where there are none. */
export function noteUnpricedBudgets(
  config: ProjectConfig,
  agents: readonly string[],
  checkout: string,
): string[] {
  const isInMoney = SCOPES.some((scope) => config.budgets[scope].cost_usd !== undefined);
  if (!isInMoney) return [];
  return [...new Set(agents)]
    .filter(
      (name) => resolveAgent(name, config.agents, checkout).driver.describe().capabilities.cost === false,
    )
    .map((name) => `${name} tells no prices: budgets in money do not hold for it; tokens, turns and time do`);
}
