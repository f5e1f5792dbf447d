import type { Usage } from "./agent-event.ts";

/** Sums two usages; money stays unknown (null) only when both are. */
export function addUsage(left: Usage, right: Usage): Usage {
  const costUsd =
    left.costUsd === null && right.costUsd === null ? null : (left.costUsd ?? 0) + (right.costUsd ?? 0);
  return {
    inputTokens: left.inputTokens + right.inputTokens,
    outputTokens: left.outputTokens + right.outputTokens,
    cacheReadTokens: left.cacheReadTokens + right.cacheReadTokens,
    cacheWriteTokens: left.cacheWriteTokens + right.cacheWriteTokens,
    costUsd,
  };
}
