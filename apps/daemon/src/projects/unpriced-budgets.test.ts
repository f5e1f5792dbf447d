import { projectConfigSchema } from "@canopy/protocol";
import { expect, test } from "vitest";
import { noteUnpricedBudgets } from "./unpriced-budgets.ts";

test("budgets in money are said not to hold for agents that tell no prices, once each", () => {
  const money = projectConfigSchema.parse({ budgets: { day: { cost_usd: 5 } } });
  const tokens = projectConfigSchema.parse({ budgets: { day: { tokens: 5 } } });
  const agents = ["codex", "claude", "codex", "command:true"];
  expect(noteUnpricedBudgets(money, agents, "/")).toEqual([
    "codex tells no prices: budgets in money do not hold for it; tokens, turns and time do",
    "command:true tells no prices: budgets in money do not hold for it; tokens, turns and time do",
  ]);
  expect(noteUnpricedBudgets(tokens, agents, "/")).toEqual([]);
});
