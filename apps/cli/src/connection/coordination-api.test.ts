import { expect, test } from "vitest";
import { readIdentity } from "./coordination-api.ts";

test("who runs a command: what was said, what the agent's environment says, else the processes above", () => {
  const env = { CLAUDE_CODE_SESSION_ID: "c-1", CODEX_THREAD_ID: "" };
  expect(readIdentity({ session: "@a", as: "b" }, env, 7)).toEqual({ session: "@a" });
  expect(readIdentity({}, { ...env, CANOPY_SESSION: "ses_1" }, 7)).toEqual({ session: "ses_1" });
  expect(readIdentity({}, env, 7)).toEqual({ agent: "claude", nativeSessionId: "c-1", pid: 7 });
  expect(readIdentity({}, {}, 7)).toEqual({ pid: 7 });
});

test("a name of one's own does not make the terminal it was typed in a session", () => {
  expect(readIdentity({ as: "ada" }, {}, 7)).toEqual({ agent: "agent", nativeSessionId: "ada" });
  expect(readIdentity({ as: "mcp-9", pid: 8 }, {}, 7)).toEqual({
    agent: "agent",
    nativeSessionId: "mcp-9",
    pid: 8,
  });
});
