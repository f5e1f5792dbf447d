import type { AgentErrorKind } from "@canopy/protocol";
import { expect, test } from "vitest";
import { classifyFailure } from "./classify-error.ts";
import type { AgentFailure } from "./classify-error.ts";

const CASES: readonly (readonly [string, Partial<AgentFailure>, AgentErrorKind, number | null])[] = [
  [
    "claude, after retries",
    { code: -32603, message: "Internal error: API Error: 400 bad", data: { errorKind: "unknown" } },
    "bad-request",
    null,
  ],
  [
    "claude, overloaded",
    { code: -32603, message: "Internal error: API Error: 529 Overloaded" },
    "overload",
    null,
  ],
  [
    "codex, a provider's filter",
    {
      message: "stream disconnected before completion: Incomplete response returned, reason: content_filter",
      data: { codexErrorInfo: "other" },
    },
    "refusal",
    null,
  ],
  ["codex, by policy", { message: "x", data: { codexErrorInfo: "cyberPolicy" } }, "refusal", null],
  [
    "codex, a prompt that OpenAI's API does not take",
    {
      message: "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
      data: { codexErrorInfo: "other" },
    },
    "refusal",
    null,
  ],
  [
    "gemini, JSON in the message",
    { code: 400, message: '{"type":"error","error":{"type":"invalid_request_error","message":"bad"}}' },
    "bad-request",
    null,
  ],
  [
    "gemini, quota",
    { code: 429, message: '{"error":{"status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"34s"}]}}' },
    "rate-limit",
    34_000,
  ],
  [
    "opencode, no detail",
    { code: -32603, message: "Internal error: bad", data: { service: "session", errorName: "APIError" } },
    "unknown",
    null,
  ],
  [
    "opencode, login",
    { code: -32603, message: "x", data: { errorName: "ProviderAuthError" } },
    "authentication",
    null,
  ],
  [
    "status in the data",
    { code: -32603, message: "x", data: { error: { statusCode: 503 } } },
    "overload",
    null,
  ],
  [
    "header",
    { code: -32603, message: "x", data: { status: 429, headers: { "retry-after": "7" } } },
    "rate-limit",
    7_000,
  ],
  [
    "milliseconds",
    { code: -32603, message: "x", data: { errorKind: "rate_limit", retryAfterMs: 1500 } },
    "rate-limit",
    1_500,
  ],
  [
    "too long a prompt, with status 400",
    { code: -32603, message: "API Error: 400 prompt is too long: 210000 tokens" },
    "context-full",
    null,
  ],
  [
    "codex, text only",
    { code: null, message: "exceeded retry limit, last status: 429 Too Many Requests" },
    "rate-limit",
    null,
  ],
  [
    "codex, wait in text",
    { code: null, message: "Rate limit reached. Please try again in 20s." },
    "rate-limit",
    20_000,
  ],
  [
    "codex, minutes",
    { code: null, message: "You've hit your usage limit. Try again in 5 minutes." },
    "rate-limit",
    300_000,
  ],
  ["ACP login", { code: -32000, message: "Authentication required" }, "authentication", null],
  ["ACP cancelled", { code: -32800, message: "Request cancelled" }, "cancelled", null],
  ["JSON-RPC misuse", { code: -32602, message: "Invalid params" }, "protocol", null],
  [
    "absurd wait",
    { code: null, message: "x", data: { errorKind: "rate_limit", retryAfter: 1e12 } },
    "rate-limit",
    86_400_000,
  ],
  ["nothing known", { code: -32603, message: "Internal error" }, "unknown", null],
];

test.each(CASES)("%s", (_name, failure, kind, retryAfterMs) => {
  expect(classifyFailure({ code: null, message: "", data: null, ...failure })).toEqual({
    kind,
    retryAfterMs,
  });
});

test("data of any shape is survived", () => {
  let deep: unknown = "end";
  for (let index = 0; index < 10_000; index += 1) deep = { deep };
  for (const data of [deep, [], [[1]], "text", 7, undefined, { status: "not a number" }]) {
    expect(classifyFailure({ code: -32603, message: "x".repeat(300_000), data }).kind).toBe("unknown");
  }
});
