import { describeRealAgent } from "@canopy/testkit";

describeRealAgent("claude", {
  asksQuestions: true,
  tellsOutput: true,
  keepsSessions: true,
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
  tellsOutput: true,
  keepsSessions: true,
  errorKinds: {
    "rate-limit": { status: 429, message: "slow down" },
    overload: { status: 500, message: "broken" },
    authentication: { status: 401, message: "invalid key" },
    "bad-request": { status: 400, message: "bad" },
  },
});

describeRealAgent("opencode", {
  asksQuestions: false,
  tellsOutput: true,
  keepsSessions: true,
  errorKinds: {
    "rate-limit": { status: 429, message: "slow down" },
    authentication: { status: 401, message: "invalid key" },
    "bad-request": { status: 400, message: "bad" },
  },
});

describeRealAgent("gemini", {
  asksQuestions: false,
  // Over ACP gemini 0.61 tells only that a command ended.
  tellsOutput: false,
  // It writes its sessions, and finds none of them again over ACP.
  keepsSessions: false,
  errorKinds: {
    authentication: { status: 401, message: "invalid key" },
    "bad-request": { status: 400, message: "bad" },
  },
});
