import type { Failure, FailureCause, RetryRule, RunOptions } from "@canopy/protocol";

/** What is done about each cause of failure when the run says nothing else. A null limit is the run's `maxRetries`. */
export const DEFAULT_RETRY_RULES: Readonly<Record<FailureCause, RetryRule>> = {
  "rate-limit": { limit: 20, delayMs: 15_000, maxDelayMs: 600_000 },
  crash: { limit: null, delayMs: 2_000, maxDelayMs: 120_000 },
  timeout: { limit: null, delayMs: 1_000, maxDelayMs: 60_000 },
  killed: { limit: 0, delayMs: 0, maxDelayMs: 0 },
  "no-op": { limit: 1, delayMs: 0, maxDelayMs: 0 },
  conflict: { limit: 0, delayMs: 0, maxDelayMs: 0 },
  validation: { limit: null, delayMs: 1_000, maxDelayMs: 60_000 },
  interrupted: { limit: 1000, delayMs: 0, maxDelayMs: 0 },
  workspace: { limit: null, delayMs: 2_000, maxDelayMs: 60_000 },
  configuration: { limit: 0, delayMs: 0, maxDelayMs: 0 },
  "claimed-elsewhere": { limit: 0, delayMs: 0, maxDelayMs: 0 },
  blocked: { limit: 0, delayMs: 0, maxDelayMs: 0 },
  question: { limit: 0, delayMs: 0, maxDelayMs: 0 },
  budget: { limit: 0, delayMs: 0, maxDelayMs: 0 },
  "run-budget": { limit: 0, delayMs: 0, maxDelayMs: 0 },
};

/** Whether a failed task is tried again, and after which pause in ms. */
export type RetryDecision = { readonly retry: true; readonly delayMs: number } | { readonly retry: false };

/** What decideRetry needs to know. `failureCount` includes the failure at hand; `random` is in [0, 1). */
export interface RetryInput {
  readonly failure: Failure;
  readonly failureCount: number;
  readonly options: Pick<RunOptions, "maxRetries" | "retries">;
  readonly random: number;
}

/**
 * Decides about a retry: the cause's limit, a pause that doubles with every failure of that cause, spread by plus or
 * minus half so that many agents do not come back at once, and never less than the provider's Retry-After.
 */
export function decideRetry(input: RetryInput): RetryDecision {
  const { failure, failureCount, options, random } = input;
  const rule = options.retries[failure.cause] ?? DEFAULT_RETRY_RULES[failure.cause];
  const limit = rule.limit ?? options.maxRetries;
  if (failureCount > limit) return { retry: false };
  const doubled = Math.min(rule.maxDelayMs, rule.delayMs * 2 ** Math.min(30, failureCount - 1));
  const jittered = Math.round(doubled * (0.5 + random));
  return { retry: true, delayMs: Math.max(jittered, failure.retryAfterMs ?? 0) };
}
