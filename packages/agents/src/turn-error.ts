import type { AgentErrorKind, ErrorCode, ProcessExit } from "@canopy/protocol";
import type { TurnError } from "./agent-driver.ts";

const CODES: Readonly<Record<AgentErrorKind, ErrorCode>> = {
  "rate-limit": "rate-limited",
  authentication: "agent.failed",
  overload: "agent.failed",
  "bad-request": "agent.failed",
  "context-full": "agent.failed",
  crash: "agent.failed",
  refusal: "agent.failed",
  cancelled: "cancelled",
  protocol: "agent.protocol",
  timeout: "timed-out",
  unknown: "agent.failed",
};

const HINTS: Readonly<Partial<Record<AgentErrorKind, string>>> = {
  authentication: "Log in with the agent's own program, or name its key in the agent's `env` list.",
  "context-full": "Start a new session, or give the agent a smaller task.",
  "rate-limit": "Wait, or lower the number of agents that run at once.",
};

const RETRYABLE: ReadonlySet<AgentErrorKind> = new Set([
  "rate-limit",
  "overload",
  "context-full",
  "crash",
  "timeout",
  "protocol",
  "unknown",
]);

/** Makes the error of a failed turn; code, hint and whether a retry can help follow from the kind. */
export function createTurnError(
  kind: AgentErrorKind,
  message: string,
  overrides: Partial<Pick<TurnError, "code" | "hint" | "retryAfterMs" | "canRetry">> = {},
): TurnError {
  return {
    kind,
    code: CODES[kind],
    message,
    hint: HINTS[kind] ?? null,
    retryAfterMs: null,
    canRetry: RETRYABLE.has(kind),
    ...overrides,
  };
}

/** How a process ended, in words: `exit code 3` or `signal SIGKILL`. */
export function describeExit(exit: ProcessExit): string {
  if (exit.signal !== null) return `signal ${exit.signal}`;
  return `exit code ${exit.code ?? "unknown"}`;
}

/** A sentence followed by the end of a program's error output, when there is any. */
export function withTail(sentence: string, tail: string): string {
  const trimmed = tail.trim();
  return trimmed === "" ? sentence : `${sentence}; last output:\n${trimmed}`;
}
