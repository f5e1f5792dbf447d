import { describeRealAgent } from "@canopy/testkit";

describeRealAgent("claude", {
  // It would with CLAUDE_CODE_SUBPROCESS_ENV_SCRUB, which does not start without bubblewrap.
  hidesKeys: false,
  asksQuestions: true,
  startsAgents: true,
  tellsOutput: true,
  lists: ["default", "opus", "sonnet", "haiku"],
  errorKinds: {
    "rate-limit": { status: 429, message: "slow down" },
    overload: { status: 529, message: "overloaded" },
    authentication: { status: 401, message: "invalid key" },
    "bad-request": { status: 400, message: "bad" },
    "context-full": {
      status: 400,
      message: "prompt is too long: 250000 tokens > 200000 maximum",
      type: "context_length_exceeded",
    },
  },
});

describeRealAgent("codex", {
  hidesKeys: true,
  // `request_user_input` is offered in codex's plan mode only.
  asksQuestions: false,
  startsAgents: true,
  tellsOutput: true,
  lists: ["gpt-5.5"],
  errorKinds: {
    "rate-limit": { status: 429, message: "slow down" },
    overload: { status: 500, message: "broken" },
    authentication: { status: 401, message: "invalid key" },
    "bad-request": { status: 400, message: "bad" },
    "context-full": {
      status: 400,
      message: "prompt is too long: 250000 tokens > 200000 maximum",
      type: "context_length_exceeded",
    },
  },
});

describeRealAgent("opencode", {
  hidesKeys: false,
  asksQuestions: true,
  startsAgents: true,
  tellsOutput: true,
  lists: ["local/scripted-1", "local/blind-1"],
  // A full context it compacts by itself and goes on.
  errorKinds: {
    "rate-limit": { status: 429, message: "slow down" },
    authentication: { status: 401, message: "invalid key" },
    "bad-request": { status: 400, message: "bad" },
  },
});

describeRealAgent("gemini", {
  hidesKeys: false,
  asksQuestions: false,
  // Over ACP its own policy denies it.
  startsAgents: false,
  // Over ACP gemini 0.61 tells only that a command ended.
  tellsOutput: false,
  lists: ["gemini-3.1-pro-preview", "gemini-2.5-pro"],
  errorKinds: {
    authentication: { status: 401, message: "invalid key" },
    "bad-request": { status: 400, message: "bad" },
    "context-full": {
      status: 400,
      message: "prompt is too long: 250000 tokens > 200000 maximum",
      type: "context_length_exceeded",
    },
  },
});
