import { expect, test } from "vitest";
import { parseHookCall } from "./parse-hook-call.ts";
import { ToolMemory } from "./tool-memory.ts";

function call(
  event: string,
  cwd: string,
  id: string | null,
  session = "s",
): ReturnType<typeof parseHookCall> {
  return parseHookCall("claude", {
    session_id: session,
    cwd,
    hook_event_name: event,
    tool_name: "Bash",
    tool_input: { command: "cd sub && touch x" },
    tool_use_id: id,
  });
}

function pathsAfter(memory: ToolMemory, read: ReturnType<typeof parseHookCall>): string[] {
  if (read === null) throw new Error("no call");
  const { event } = memory.settle(read);
  return event.type === "before-tool" || event.type === "after-tool"
    ? event.intents.map(({ path }) => path)
    : [];
}

test("a finished tool did what it was about to do, wherever the agent is now", () => {
  const memory = new ToolMemory();
  expect(pathsAfter(memory, call("PreToolUse", "/r", "t1"))).toEqual(["/r/sub/x"]);
  expect(pathsAfter(memory, call("PostToolUse", "/r/sub", "t1"))).toEqual(["/r/sub/x"]);
  expect(pathsAfter(memory, call("PostToolUse", "/r/sub", "t1"))).toEqual(["/r/sub/sub/x"]);
});

test("another session's tool and a tool without an id are read as they are", () => {
  const memory = new ToolMemory();
  pathsAfter(memory, call("PreToolUse", "/r", "t1"));
  pathsAfter(memory, call("PreToolUse", "/r", null));
  expect(pathsAfter(memory, call("PostToolUse", "/k", "t1", "other"))).toEqual(["/k/sub/x"]);
  expect(pathsAfter(memory, call("PostToolUse", "/k", null))).toEqual(["/k/sub/x"]);
});

test("the last 2,000 are held", () => {
  const memory = new ToolMemory();
  for (let index = 0; index <= 2_000; index += 1) pathsAfter(memory, call("PreToolUse", "/r", `t${index}`));
  expect(pathsAfter(memory, call("PostToolUse", "/k", "t0"))).toEqual(["/k/sub/x"]);
  expect(pathsAfter(memory, call("PostToolUse", "/k", "t1"))).toEqual(["/r/sub/x"]);
});
