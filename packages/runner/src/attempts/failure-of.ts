import type { AgentErrorKind, Failure, FailureCause } from "@canopy/protocol";
import { isCanopyError } from "@canopy/protocol";
import type { TurnError } from "@canopy/agents";

const CAUSES: Readonly<Record<AgentErrorKind, FailureCause>> = {
  "rate-limit": "rate-limit",
  overload: "rate-limit",
  authentication: "configuration",
  "bad-request": "crash",
  "context-full": "crash",
  crash: "crash",
  refusal: "blocked",
  cancelled: "interrupted",
  protocol: "crash",
  timeout: "timeout",
  unknown: "crash",
};

/** Why a turn failed, as a cause with its own retry policy. */
export function failureOfTurn(error: TurnError): Failure {
  // A model that refuses one prompt may well take the next: only this task needs a person.
  const isOwn = error.canRetry || error.kind === "refusal";
  const cause = isOwn ? CAUSES[error.kind] : "configuration";
  const hint = error.hint === null ? "" : ` (${error.hint})`;
  return {
    cause,
    message: `${error.message}${hint}`.slice(0, 8000),
    agentError: error.kind,
    retryAfterMs: error.retryAfterMs,
  };
}

/** Why an attempt failed before or beside its agent's turn. */
export function failureOfException(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  const base = { message: message.slice(0, 8000), agentError: null, retryAfterMs: null };
  if (!isCanopyError(error)) return { ...base, cause: "workspace" };
  const hint = error.hint === undefined ? "" : ` (${error.hint})`;
  const detailed = { ...base, message: `${message}${hint}`.slice(0, 8000) };
  switch (error.code) {
    case "agent.not-found":
    case "usage.unknown-agent":
    case "sandbox.unavailable":
    case "config.invalid":
      return { ...detailed, cause: "configuration" };
    case "agent.failed":
    case "agent.protocol":
      return { ...detailed, cause: "crash" };
    case "timed-out":
      return { ...detailed, cause: "timeout" };
    case "rate-limited":
      return { ...detailed, cause: "rate-limit" };
    default:
      return { ...detailed, cause: "workspace" };
  }
}
