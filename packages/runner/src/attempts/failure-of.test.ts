import type { TurnError } from "@canopy/agents";
import { expect, test } from "vitest";
import { failureOfTurn } from "./failure-of.ts";

function causeOf(kind: TurnError["kind"], canRetry: boolean): string {
  const error: TurnError = {
    kind,
    code: "agent.failed",
    message: "it went wrong",
    hint: null,
    retryAfterMs: null,
    canRetry,
  };
  return failureOfTurn(error).cause;
}

test("a refusal is about its task alone: it is not tried again, and no other task is kept from running", () => {
  expect(causeOf("refusal", false)).toBe("blocked");
});

test("what can only fail again is about the agent, and what may go well is tried again", () => {
  expect([causeOf("authentication", false), causeOf("bad-request", false)]).toEqual([
    "configuration",
    "configuration",
  ]);
  expect([causeOf("rate-limit", true), causeOf("timeout", true), causeOf("unknown", true)]).toEqual([
    "rate-limit",
    "timeout",
    "crash",
  ]);
});
