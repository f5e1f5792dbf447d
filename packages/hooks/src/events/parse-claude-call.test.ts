import { readHookFixture } from "@canopy/testkit";
import { expect, test } from "vitest";
import type { HookCall } from "./hook-call.ts";
import { parseHookCall } from "./parse-hook-call.ts";

const SESSION = "069a7520-06e0-45e5-a27b-b960455db95a";
const BASE = {
  agent: "claude",
  dialect: "claude",
  nativeSessionId: SESSION,
  cwd: "/home/dev/w/cl2",
  childId: null,
  childKind: null,
  model: null,
} as const;

/** `EVENT type detail` of a call, short enough to compare a whole recording. */
function summarize(call: HookCall | null): string {
  if (call === null) return "null";
  const { event } = call;
  if (event.type === "before-tool" || event.type === "after-tool")
    return `${call.nativeEvent} ${event.type} ${event.tool} ${event.intents.map((intent) => `${intent.kind}:${intent.path}`).join(" ")}`.trim();
  return `${call.nativeEvent} ${event.type}`;
}

test("every recorded payload of Claude Code's command hooks is understood", () => {
  const calls = readHookFixture("claude-hooks-command-payloads").map((line) =>
    parseHookCall("claude", line["stdin"]),
  );
  expect(calls.map(summarize)).toEqual([
    "SessionStart session-start",
    "UserPromptSubmit prompt",
    "MessageDisplay other",
    "PreToolUse before-tool Write write:/home/dev/w/cl2/hello.txt",
    "PostToolUse after-tool Write write:/home/dev/w/cl2/hello.txt",
    "PostToolBatch after-batch",
    "PreToolUse before-tool Bash read:/home/dev/w/cl2/hello.txt",
    "PostToolUseFailure after-tool Bash read:/home/dev/w/cl2/hello.txt",
    "PostToolBatch after-batch",
    "PreToolUse before-tool Bash",
    "PermissionRequest notification",
    "PostToolBatch after-batch",
    "MessageDisplay other",
    "Stop turn-end",
    "SessionEnd session-end",
  ]);
  expect(calls.every((call) => call?.nativeSessionId === SESSION && call.cwd === "/home/dev/w/cl2")).toBe(
    true,
  );
});

test("the payloads of http hooks are those of command hooks", () => {
  const http = readHookFixture("claude-hooks-http-payloads").map((line) =>
    parseHookCall("claude", line["body"]),
  );
  const command = readHookFixture("claude-hooks-command-payloads").map((line) =>
    parseHookCall("claude", line["stdin"]),
  );
  expect(http.map(summarize)).toEqual(command.map(summarize).slice(1));
});

test("a write tells its path", () => {
  const line = readHookFixture("claude-hooks-command-payloads")[3];
  expect(parseHookCall("claude", line?.["stdin"])).toEqual({
    ...BASE,
    nativeEvent: "PreToolUse",
    event: {
      type: "before-tool",
      tool: "Write",
      toolUseId: "toolu_1a15ff066b3b46f7927b36c2",
      intents: [
        {
          kind: "write",
          path: "/home/dev/w/cl2/hello.txt",
          glob: null,
          certainty: "sure",
          detail: "Write",
        },
      ],
    },
  });
});

test.each([
  ["Edit", { file_path: "/r/a.ts" }, ["write /r/a.ts"]],
  ["MultiEdit", { file_path: "src/../a.ts", edits: [] }, ["write /r/a.ts"]],
  ["NotebookEdit", { notebook_path: "/r/n.ipynb" }, ["write /r/n.ipynb"]],
  ["Read", { file_path: "/r/a.ts" }, ["read /r/a.ts"]],
  ["Grep", { path: "/r" }, []],
  ["mcp__files__write", { file_path: "/r/a.ts" }, []],
  ["constructor", { file_path: "/r/a.ts" }, []],
  ["Edit", { file_path: 7 }, []],
  ["Edit", null, []],
])("%s of %j", (tool, input, expected) => {
  const call = parseHookCall("claude", {
    session_id: "s",
    cwd: "/r",
    hook_event_name: "PreToolUse",
    tool_name: tool,
    tool_input: input,
  });
  const event = call?.event;
  expect(event?.type === "before-tool" && event.intents.map(({ kind, path }) => `${kind} ${path}`)).toEqual(
    expected,
  );
});

test("a subagent's call names its child and keeps the parent's session", () => {
  expect(
    parseHookCall("claude", {
      session_id: "s",
      hook_event_name: "SubagentStop",
      agent_id: "a1",
      agent_type: "Explore",
      stop_hook_active: true,
    }),
  ).toEqual({
    ...BASE,
    cwd: "",
    nativeSessionId: "s",
    nativeEvent: "SubagentStop",
    childId: "a1",
    childKind: "Explore",
    event: { type: "child-end", stopHookActive: true },
  });
});

test("an event that nobody knows is other, under its own name", () => {
  expect(parseHookCall("claude", { session_id: "s", hook_event_name: "toString" })?.event).toEqual({
    type: "other",
    name: "toString",
  });
  expect(parseHookCall("claude", { session_id: "s" }, "Stop")?.event).toEqual({
    type: "turn-end",
    stopHookActive: false,
  });
});

test("a hook of Claude's settings that Cursor runs is Cursor's, answered in Claude's form", () => {
  const call = parseHookCall("claude", { session_id: "s", hook_event_name: "Stop", cursor_version: "2.1" });
  expect([call?.agent, call?.dialect]).toEqual(["cursor", "claude"]);
});

test("what is no payload is null", () => {
  const texts = ["", "{", "[]", "null", '{"session_id":""}', '{"session_id":4}', "\uFEFF[1]"];
  expect(texts.map((text) => parseHookCall("claude", text))).toEqual(texts.map(() => null));
});
