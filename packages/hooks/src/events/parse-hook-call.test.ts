import { readHookFixture } from "@canopy/testkit";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { HOOK_AGENTS } from "./hook-call.ts";
import type { HostFiles } from "../intents/host-files.ts";
import type { HookAgent, HookCall, HookEvent } from "./hook-call.ts";
import { parseHookCall } from "./parse-hook-call.ts";

const HOST: HostFiles = { home: "/home/me", kindOf: () => "none" };

function parse(agent: HookAgent, payload: unknown): HookCall | null {
  return parseHookCall(agent, payload, null, HOST);
}

/** What one event became, in short: its type, and what a tool is about to do. */
function summarize(event: HookEvent | undefined): string {
  if (event === undefined) return "null";
  if (event.type !== "before-tool" && event.type !== "after-tool") return event.type;
  const intents = event.intents.map(({ kind, path }) => `${kind}:${path}`);
  const failed = event.type === "after-tool" && event.failed ? " failed" : "";
  return [`${event.type}${failed} ${event.tool}`, ...intents].join(" ");
}

test("every recorded payload of Codex's hooks is understood", () => {
  const lines = readHookFixture("codex-hooks-payloads").filter((line) => "stdin" in line);
  const calls = lines.map((line) => parse("codex", line["stdin"]));
  expect(calls.map((call) => `${call?.nativeEvent} ${summarize(call?.event)}`)).toEqual([
    "SessionStart session-start",
    "UserPromptSubmit prompt",
    "PreToolUse before-tool Bash",
    "PostToolUse after-tool Bash",
    "PreToolUse before-tool Bash",
    "Stop turn-end",
    "SessionEnd session-end",
  ]);
  expect(calls[2]).toEqual({
    agent: "codex",
    dialect: "codex",
    nativeEvent: "PreToolUse",
    nativeSessionId: "01a1f831-b3f5-7792-8b13-4e3e36dbb41f",
    cwd: "/home/dev/w/cx2",
    childId: null,
    childKind: null,
    model: "scripted-1",
    event: { type: "before-tool", tool: "Bash", toolUseId: "call_2edb12e1ef174765996e0fa6", intents: [] },
  });
});

test("what OpenCode's plugin sees becomes the same events", () => {
  const calls = readHookFixture("opencode-plugin-hooks")
    // Of `chat.params`, which the plugin does not send, only the names of members were recorded.
    .filter((line) => typeof line["hook"] === "string" && line["hook"] !== "chat.params")
    .map((line) => ({
      hook: line["hook"],
      directory: "/home/dev/w/oc7",
      input: line["i"],
      output: line["o"],
      event: { type: line["type"], properties: { sessionID: "ses_e07d66581ffeKJ4VA3lSfoWdZM" } },
    }))
    .map((payload) => parse("opencode", payload));
  const known = calls.filter((call) => call?.event.type !== "other").map((call) => summarize(call?.event));
  expect(known).toEqual([
    "session-start",
    "prompt",
    "before-tool write write:/home/dev/w/oc7/hello.txt",
    "notification",
    "after-tool write write:/home/dev/w/oc7/hello.txt",
    "before-tool bash write:/home/dev/w/oc7/b",
    "notification",
    "after-tool bash write:/home/dev/w/oc7/b",
    "before-tool orch_report",
    "after-tool orch_report",
    "before-tool orchhttp_hreport",
    "after-tool orchhttp_hreport",
    "turn-end",
    "prompt",
    "before-tool bash write:/home/dev/w/oc7/c",
    "notification",
    "turn-end",
    "prompt",
    "before-tool bash",
    "turn-end",
    "prompt",
    "before-tool bash",
    "notification",
    "turn-end",
    "after-tool failed bash",
    "turn-end",
    "prompt",
    "turn-end",
    "turn-end",
    "prompt",
    "prompt",
    "turn-end",
    "turn-end",
    "prompt",
    "before-tool bash",
    "notification",
    "prompt",
    "prompt",
    "after-tool bash",
    "turn-end",
    "prompt",
    "turn-end",
  ]);
  expect(new Set(calls.map((call) => call?.nativeSessionId))).toEqual(
    new Set(["ses_e07d66581ffeKJ4VA3lSfoWdZM"]),
  );
});

test("a subagent of OpenCode is a child of the session that started it", () => {
  const base = { directory: "/r", parentID: "ses_parent" };
  const created = {
    ...base,
    hook: "event",
    event: { type: "session.created", properties: { info: { id: "ses_child", parentID: "ses_parent" } } },
  };
  const idle = {
    ...base,
    hook: "event",
    event: { type: "session.idle", properties: { sessionID: "ses_child" } },
  };
  expect([parse("opencode", created), parse("opencode", idle)].map((call) => call?.event.type)).toEqual([
    "child-start",
    "child-end",
  ]);
  expect([parse("opencode", idle)?.nativeSessionId, parse("opencode", idle)?.childId]).toEqual([
    "ses_parent",
    "ses_child",
  ]);
});

const GEMINI = { session_id: "g1", cwd: "/r", timestamp: "2026-08-01T00:00:00Z" };
const CURSOR = {
  conversation_id: "c1",
  generation_id: "x",
  model: "gpt",
  cursor_version: "2.4.0",
  workspace_roots: ["/r"],
};
const PATCH =
  "*** Begin Patch\n*** Add File: new.ts\n+x\n*** Update File: a.ts\n*** Move to: src/b.ts\n@@\n-x\n+y\n*** Delete File: gone.ts\n*** Update File: /abs/k.ts\r\n*** End Patch";

// Payloads of Gemini and Cursor follow their documents; they were not recorded.
const CASES: readonly (readonly [HookAgent, Readonly<Record<string, unknown>>, string])[] = [
  ["gemini", { ...GEMINI, hook_event_name: "SessionStart", source: "startup" }, "session-start"],
  ["gemini", { ...GEMINI, hook_event_name: "BeforeAgent", prompt: "hi" }, "prompt"],
  [
    "gemini",
    { ...GEMINI, hook_event_name: "BeforeTool", tool_name: "write_file", tool_input: { file_path: "a.ts" } },
    "before-tool write_file write:/r/a.ts",
  ],
  [
    "gemini",
    { ...GEMINI, hook_event_name: "BeforeTool", tool_name: "replace", tool_input: { file_path: "/r/a.ts" } },
    "before-tool replace write:/r/a.ts",
  ],
  [
    "gemini",
    {
      ...GEMINI,
      hook_event_name: "AfterTool",
      tool_name: "run_shell_command",
      tool_input: { command: "rm x", directory: "sub" },
      tool_response: { llmContent: "", returnDisplay: "", error: { message: "no" } },
    },
    "after-tool failed run_shell_command delete:/r/sub/x",
  ],
  [
    "gemini",
    {
      ...GEMINI,
      hook_event_name: "BeforeTool",
      tool_name: "mcp_fs_write_file",
      tool_input: { file_path: "a" },
    },
    "before-tool mcp_fs_write_file",
  ],
  ["gemini", { ...GEMINI, hook_event_name: "AfterAgent", stop_hook_active: true }, "turn-end"],
  ["gemini", { ...GEMINI, hook_event_name: "PreCompress", trigger: "auto" }, "other"],
  ["gemini", { ...GEMINI, hook_event_name: "PreCompress", trigger: "manual" }, "compact"],
  [
    "gemini",
    { ...GEMINI, hook_event_name: "Notification", notification_type: "ToolPermission" },
    "notification",
  ],
  ["gemini", { ...GEMINI, hook_event_name: "SessionEnd", reason: "exit" }, "session-end"],
  ["gemini", { ...GEMINI, hook_event_name: "BeforeModel", llm_request: {} }, "other"],
  ["cursor", { ...CURSOR, hook_event_name: "sessionStart", session_id: "c1" }, "session-start"],
  ["cursor", { ...CURSOR, hook_event_name: "beforeSubmitPrompt", prompt: "hi" }, "prompt"],
  [
    "cursor",
    { ...CURSOR, hook_event_name: "preToolUse", tool_name: "Write", tool_input: { file_path: "/r/a.ts" } },
    "before-tool Write write:/r/a.ts",
  ],
  [
    "cursor",
    { ...CURSOR, hook_event_name: "preToolUse", tool_name: "Delete", tool_input: { path: "a.ts" } },
    "before-tool Delete delete:/r/a.ts",
  ],
  [
    "cursor",
    {
      ...CURSOR,
      hook_event_name: "preToolUse",
      tool_name: "Shell",
      tool_input: { command: "rm x", working_directory: "/r/sub" },
      cwd: "/r",
    },
    "before-tool Shell delete:/r/sub/x",
  ],
  [
    "cursor",
    { ...CURSOR, hook_event_name: "beforeShellExecution", command: "rm x", cwd: "/r/sub" },
    "before-tool Shell delete:/r/sub/x",
  ],
  [
    "cursor",
    { ...CURSOR, hook_event_name: "afterFileEdit", file_path: "/r/a.ts", edits: [] },
    "after-tool Write write:/r/a.ts",
  ],
  [
    "cursor",
    {
      ...CURSOR,
      hook_event_name: "postToolUseFailure",
      tool_name: "Edit",
      tool_input: { target_file: "a.ts" },
    },
    "after-tool failed Edit write:/r/a.ts",
  ],
  ["cursor", { ...CURSOR, hook_event_name: "subagentStart", subagent_id: "k" }, "child-start"],
  ["cursor", { ...CURSOR, hook_event_name: "stop", status: "completed", loop_count: 1 }, "turn-end"],
  ["cursor", { ...CURSOR, hook_event_name: "sessionEnd", reason: "user_close" }, "session-end"],
  ["cursor", { ...CURSOR, hook_event_name: "afterAgentThought" }, "other"],
  [
    "codex",
    {
      session_id: "s",
      cwd: "/r",
      hook_event_name: "PreToolUse",
      tool_name: "apply_patch",
      tool_input: { command: PATCH },
    },
    "before-tool apply_patch write:/r/new.ts move:/r/a.ts write:/r/src/b.ts delete:/r/gone.ts write:/abs/k.ts",
  ],
  [
    "codex",
    {
      session_id: "s",
      cwd: "/r",
      hook_event_name: "PreToolUse",
      tool_name: "shell",
      tool_input: { command: ["bash", "-lc", "rm x"], workdir: "sub" },
    },
    "before-tool shell delete:/r/sub/x",
  ],
  [
    "opencode",
    {
      hook: "tool.execute.before",
      directory: "/r",
      input: { tool: "apply_patch", sessionID: "s", callID: "c" },
      output: { args: { patchText: PATCH } },
    },
    "before-tool apply_patch write:/r/new.ts move:/r/a.ts write:/r/src/b.ts delete:/r/gone.ts write:/abs/k.ts",
  ],
];

test.each(CASES)("%s %j", (agent, payload, expected) => {
  expect(summarize(parse(agent, payload)?.event)).toBe(expected);
});

test("a Cursor turn that a hook already prolonged says so", () => {
  const events = [0, 2].map(
    (loop_count) => parse("cursor", { ...CURSOR, hook_event_name: "stop", loop_count })?.event,
  );
  expect(events).toEqual([
    { type: "turn-end", stopHookActive: false },
    { type: "turn-end", stopHookActive: true },
  ]);
});

/** Real payloads as the ground that the fuzzing changes. */
function listSamples(): [HookAgent, unknown][] {
  return [
    ...readHookFixture("claude-hooks-command-payloads").map((line): [HookAgent, unknown] => [
      "claude",
      line["stdin"],
    ]),
    ...readHookFixture("codex-hooks-payloads").map((line): [HookAgent, unknown] => ["codex", line["stdin"]]),
    ...CASES.map(([agent, payload]): [HookAgent, unknown] => [agent, payload]),
  ];
}

test("nothing an agent may send makes it throw: cut, of wrong types, or anything at all", () => {
  const samples = listSamples();
  const agents = fc.constantFrom(...HOOK_AGENTS);
  fc.assert(
    fc.property(agents, fc.jsonValue(), (agent, value) => {
      expect(parse(agent, value)?.event.type).not.toBe("");
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.constantFrom(...samples), fc.double({ min: 0, max: 1, noNaN: true }), (sample, at) => {
      const text = JSON.stringify(sample[1]) ?? "";
      parse(sample[0], text.slice(0, Math.floor(text.length * at)));
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.constantFrom(...samples), fc.nat(20), fc.jsonValue(), (sample, index, junk) => {
      const [agent, payload] = sample;
      const members = Object.entries(Object(payload));
      const changed = members.map(([name, value], at) => [
        name,
        at === index % members.length ? junk : value,
      ]);
      parse(agent, Object.fromEntries(changed));
    }),
    { numRuns: 2_000 },
  );
});

test("an oversized payload and a payload with a mark of byte order", () => {
  const payload = { session_id: "s", hook_event_name: "Stop" };
  expect(parse("claude", `\uFEFF${JSON.stringify(payload)}`)?.event.type).toBe("turn-end");
  const large = JSON.stringify({ ...payload, prompt: "x".repeat(17 * 1024 * 1024) });
  expect(parse("claude", large)).toBe(null);
});
