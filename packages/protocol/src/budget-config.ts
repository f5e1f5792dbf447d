import { z } from "zod";
import { durationSchema } from "./duration.ts";

/** What may be spent within one scope; what is left out has no limit. */
export const budgetLimitsSchema = z.strictObject({
  cost_usd: z.number().positive().optional(),
  /** Input and output together, without what came from a cache. */
  tokens: z.int().positive().optional(),
  /** Tool calls and answers. */
  turns: z.int().positive().optional(),
  time: durationSchema.optional(),
});

/** The table `[budgets]`. */
export const budgetConfigSchema = z.strictObject({
  /** What happens at a limit: the work ends, a person is asked, or it goes on with another model and as much again. */
  at_limit: z.enum(["stop", "ask", "cheaper"]).default("stop"),
  cheaper_model: z.string().min(1).optional(),
  session: budgetLimitsSchema.prefault({}),
  task: budgetLimitsSchema.prefault({}),
  run: budgetLimitsSchema.prefault({}),
  day: budgetLimitsSchema.prefault({}),
});

/** The table `[provider]`: how fast turns begin, for each provider and account. */
export const providerConfigSchema = z.strictObject({
  /** Turns that may begin at once after a pause. */
  burst: z.int().min(1).max(10_000).default(32),
  /** Turns a minute at most; a refusal halves it, and turns that go well bring it back. */
  turns_per_minute: z.number().positive().default(240),
});

/** The table `[budgets]`, defaults filled in. */
export type BudgetConfig = z.infer<typeof budgetConfigSchema>;
