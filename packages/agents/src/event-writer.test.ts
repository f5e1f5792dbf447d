import { ZERO_USAGE } from "@canopy/protocol";
import type { AgentEvent } from "@canopy/protocol";
import { findEventFaults } from "@canopy/testkit";
import { expect, test } from "vitest";
import { EventQueue } from "./event-queue.ts";
import { EventWriter } from "./event-writer.ts";
import { createTurnError } from "./turn-error.ts";

async function record(script: (writer: EventWriter) => void): Promise<AgentEvent[]> {
  const queue = new EventQueue();
  script(new EventWriter(queue));
  queue.end();
  const events: AgentEvent[] = [];
  for await (const event of queue) events.push(event);
  return events;
}

const BASE = { kind: "other", title: "tool call", locations: [], diffs: [] };

test("a message is closed by its full text before anything durable", async () => {
  const events = await record((writer) => {
    writer.message("a");
    writer.message("b");
    writer.thought("c");
    writer.emit({ type: "mode.changed", mode: "plan" });
    writer.message("d", "m1");
    writer.message("e", "m2");
    writer.endTurn("end_turn", null);
  });
  expect(events).toEqual([
    { type: "message.delta", text: "ab" },
    { type: "message.done", text: "ab" },
    { type: "thought.delta", text: "c" },
    { type: "thought.done", text: "c" },
    { type: "mode.changed", mode: "plan" },
    { type: "message.delta", text: "d" },
    { type: "message.done", text: "d" },
    { type: "message.delta", text: "e" },
    { type: "message.done", text: "e" },
    { type: "turn.ended", reason: "end_turn" },
  ]);
});

test("an endless message is cut into bounded ones without breaking a character", async () => {
  const text = "\u{1f600}".repeat(300_000);
  const events = await record((writer) => {
    writer.message(`x${text}`);
    writer.endTurn("end_turn", null);
  });
  const done = events.filter((event) => event.type === "message.done").map((event) => event.text);
  expect(done.join("")).toBe(`x${text}`);
  expect(done.every((part) => part.length <= 256 * 1024 && part.isWellFormed())).toBe(true);
  expect(findEventFaults(events)).toEqual([]);
});

test("tool events carry the merged tool call and are sent only when something changed", async () => {
  const events = await record((writer) => {
    writer.tool("t", { title: "Write a", kind: "edit", state: "pending" });
    writer.tool("t", { input: { path: "a" } });
    writer.tool("t", { input: { path: "a" } });
    writer.tool("t", { state: "completed", output: "ok" });
    writer.tool("t", { state: "completed" });
  });
  const tool = { ...BASE, toolCallId: "t", title: "Write a", kind: "edit", state: "pending" };
  const input = { path: "a" };
  expect(events).toEqual([
    { type: "tool.started", tool },
    { type: "tool.updated", tool: { ...tool, input } },
    { type: "tool.ended", tool: { ...tool, input, state: "completed", output: "ok" } },
  ]);
});

test("a tool call that is first heard of when it is over is started and ended", async () => {
  const events = await record((writer) => writer.tool("t", { state: "failed" }));
  expect(events).toEqual([
    { type: "tool.started", tool: { ...BASE, toolCallId: "t", state: "in_progress" } },
    { type: "tool.ended", tool: { ...BASE, toolCallId: "t", state: "failed" } },
  ]);
});

test("a tool call that is told again after its end stays over", async () => {
  const events = await record((writer) => {
    writer.tool("t", { state: "completed" });
    writer.tool("t", { state: "pending", title: "Read a" });
  });
  const over = { ...BASE, toolCallId: "t", state: "completed" };
  expect(events.slice(1)).toEqual([
    { type: "tool.ended", tool: over },
    { type: "tool.ended", tool: { ...over, title: "Read a" } },
  ]);
});

test("the end of a turn closes dangling tool calls and tells the error", async () => {
  const events = await record((writer) => {
    writer.tool("t", { state: "in_progress" });
    writer.endTurn("failed", createTurnError("rate-limit", "slow down", { retryAfterMs: 1500 }));
  });
  expect(events.slice(1)).toEqual([
    {
      type: "tool.ended",
      tool: { ...BASE, toolCallId: "t", state: "failed", output: "not finished when the turn ended" },
    },
    { type: "error", kind: "rate-limit", message: "slow down", retryAfterMs: 1500 },
    { type: "turn.ended", reason: "failed" },
  ]);
});

test("a tool's endless output is cut", async () => {
  const [, ended] = await record((writer) =>
    writer.tool("t", { state: "completed", output: "x".repeat(2_000_000) }),
  );
  const output = ended?.type === "tool.ended" ? (ended.tool.output ?? "") : "";
  expect(output.length).toBeLessThan(1_050_000);
  expect(output).toMatch(/characters cut by canopy\]$/);
});

test("usage is told when it changed", async () => {
  const usage = { ...ZERO_USAGE, inputTokens: 3, costUsd: 0.5 };
  const events = await record((writer) => {
    writer.setUsage(ZERO_USAGE);
    writer.setUsage(usage);
    writer.setUsage({ ...usage });
  });
  expect(events).toEqual([{ type: "usage", usage }]);
});

test("the last message is the last one of the turn, and at most its end", () => {
  const writer = new EventWriter(new EventQueue());
  writer.message("first", "1");
  writer.message("second ", "2");
  writer.thought("hm");
  writer.message(`third ${"y".repeat(100_000)}`);
  expect(writer.lastMessage).toBe("y".repeat(64 * 1024));
  writer.beginTurn();
  expect(writer.lastMessage).toBe("");
});

test("thousands of tool calls do not stay in memory, open ones do", async () => {
  const events = await record((writer) => {
    writer.tool("open", { state: "in_progress" });
    for (let index = 0; index < 1_000; index += 1) writer.tool(`t${index}`, { state: "completed" });
    writer.endTurn("cancelled", null);
  });
  const ended = events.filter((event) => event.type === "tool.ended").map((event) => event.tool.toolCallId);
  expect(ended.length).toBe(1_001);
  expect(ended.at(-1)).toBe("open");
});
