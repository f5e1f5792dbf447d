import type { AgentEvent, ToolCall } from "@canopy/protocol";
import { expect, test } from "vitest";
import { findEventFaults } from "./check-events.ts";

const TOOL: ToolCall = {
  toolCallId: "t",
  kind: "other",
  title: "t",
  state: "pending",
  locations: [],
  diffs: [],
} as const;

const FAULTY: readonly (readonly [string, AgentEvent[], string])[] = [
  ["an open delta", [{ type: "message.delta", text: "a" }], "the last text is not closed"],
  [
    "a durable event after a delta",
    [
      { type: "message.delta", text: "a" },
      { type: "mode.changed", mode: "m" },
      { type: "message.done", text: "a" },
    ],
    "event 1 (mode.changed): follows a delta that no full text closed",
  ],
  [
    "a full text that differs",
    [
      { type: "message.delta", text: "a" },
      { type: "message.done", text: "b" },
    ],
    "event 1 (message.done): the full text is not what the deltas said",
  ],
  [
    "a tool call that outlives its turn",
    [
      { type: "tool.started", tool: TOOL },
      { type: "turn.ended", reason: "end_turn" },
    ],
    "event 1 (turn.ended): tool call t is still open",
  ],
  [
    "an answer to nothing",
    [{ type: "permission.answered", requestId: "p", optionId: null, by: "x" }],
    "event 0 (permission.answered): answers a request that is not open",
  ],
];

test.each(FAULTY)("finds %s", (_name, events, fault) => {
  expect(findEventFaults(events)).toEqual([fault]);
});

test("finds nothing in a good stream", () => {
  const events: AgentEvent[] = [
    { type: "thought.delta", text: "a" },
    { type: "thought.done", text: "a" },
    { type: "tool.started", tool: TOOL },
    { type: "tool.ended", tool: { ...TOOL, state: "completed" } },
    { type: "turn.ended", reason: "end_turn" },
  ];
  expect(findEventFaults(events)).toEqual([]);
});
