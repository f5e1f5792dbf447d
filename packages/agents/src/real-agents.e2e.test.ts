import { describeRealAgent } from "@canopy/testkit";

describeRealAgent("claude", {
  asksQuestions: true,
  errorKinds: {
    "rate-limit": { status: 429, message: "slow down" },
    overload: { status: 529, message: "overloaded" },
    authentication: { status: 401, message: "invalid key" },
    "bad-request": { status: 400, message: "bad" },
  },
});

describeRealAgent("codex", {
  // `request_user_input` is offered in codex's plan mode only.
  asksQuestions: false,
  errorKinds: {
    "rate-limit": { status: 429, message: "slow down" },
    overload: { status: 500, message: "broken" },
    authentication: { status: 401, message: "invalid key" },
    "bad-request": { status: 400, message: "bad" },
  },
});

describeRealAgent("opencode", {
  asksQuestions: false,
  errorKinds: {
    authentication: { status: 401, message: "invalid key" },
    "bad-request": { status: 400, message: "bad" },
  },
});

describeRealAgent("gemini", {
  asksQuestions: false,
  errorKinds: {
    authentication: { status: 401, message: "invalid key" },
    "bad-request": { status: 400, message: "bad" },
  },
});
