import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseHookCall } from "./index.ts";

test("the README's example runs and is what this test runs", () => {
  const call = parseHookCall("claude", {
    session_id: "s1",
    cwd: "/repo",
    hook_event_name: "PreToolUse",
    tool_name: "Edit",
    tool_input: { file_path: "/repo/a.ts" },
  });
  const intents = [{ kind: "write", path: "/repo/a.ts", glob: null, certainty: "sure", detail: "Edit" }];
  expect(call?.event).toEqual({ type: "before-tool", tool: "Edit", toolUseId: null, intents });
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const own = readFileSync(import.meta.filename, "utf8");
  const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  const lines = example.split("\n").filter((line) => line !== "" && !line.startsWith("//"));
  expect(lines.length).toBe(7);
  expect(lines.filter((line) => !own.includes(line))).toEqual([]);
});
