import { expect, test } from "vitest";
import { SubThreads } from "./sub-threads.ts";

const running = (threads: SubThreads): (readonly [string, string])[] => [...threads.running];

test("a thread is at work from the first message that names a turn of it until that turn is over", () => {
  const threads = new SubThreads();
  threads.noteTurn("t1", "thread/status/changed", { threadId: "t1" });
  expect(running(threads)).toEqual([]);
  // Its beginning was not told: codex listens to a new thread a moment late.
  threads.noteTurn("t1", "item/commandExecution/requestApproval", { threadId: "t1", turnId: "a" });
  threads.noteTurn("t2", "turn/started", { threadId: "t2", turn: { id: "b" } });
  expect(running(threads)).toEqual([
    ["t1", "a"],
    ["t2", "b"],
  ]);
  threads.noteTurn("t1", "turn/completed", { threadId: "t1", turn: { id: "a" } });
  // What comes late does not wake it.
  threads.noteTurn("t1", "thread/tokenUsage/updated", { threadId: "t1", turnId: "a" });
  expect(running(threads)).toEqual([["t2", "b"]]);
  threads.noteTurn("t1", "turn/started", { threadId: "t1", turn: { id: "c" } });
  threads.noteTurn("t2", "turn/completed", { threadId: "t2", turn: { id: "b" } });
  expect(running(threads)).toEqual([["t1", "c"]]);
});

test("an agent is called by the first line of what it was started for", () => {
  const threads = new SubThreads();
  const item = { type: "collabAgentToolCall", prompt: "\nLook\ninto it", receiverThreadIds: ["t1"] };
  threads.noteCall({ item });
  threads.noteCall({ item: { ...item, prompt: "Go on" } });
  expect([threads.describe("t1"), threads.describe("t2")]).toEqual([
    { subAgentId: "t1", name: "Look" },
    { subAgentId: "t2", name: "sub-agent" },
  ]);
});
