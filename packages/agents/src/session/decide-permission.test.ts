import type { ToolCall } from "@canopy/protocol";
import { expect, test } from "vitest";
import type { PermissionPolicy } from "../agent-driver.ts";
import { EventQueue } from "../event-queue.ts";
import { EventWriter } from "../event-writer.ts";
import { decidePermission } from "./decide-permission.ts";
import { PLAIN_OPTIONS, PermissionBroker } from "./permission-broker.ts";

const tool = (change: Partial<ToolCall>): ToolCall => ({
  toolCallId: "t",
  kind: "execute",
  title: "t",
  state: "pending",
  locations: [],
  diffs: [],
  ...change,
});

const RULES: PermissionPolicy = {
  rules: [
    { decision: "deny", title: "git push*" },
    { decision: "allow", kinds: ["edit", "read"], where: "inside" },
    { decision: "deny", kinds: ["edit"], where: "outside" },
    { decision: "allow", title: "npm test" },
  ],
  otherwise: "ask",
  askMs: 10,
};

test.each([
  [tool({ title: "git push origin main" }), "deny", "policy:rule-1"],
  [tool({ title: "Bash", input: { command: "git push\nrm x" } }), "deny", "policy:rule-1"],
  [tool({ kind: "edit", locations: [{ path: "/w/a.txt" }] }), "allow", "policy:rule-2"],
  [tool({ kind: "edit", locations: [{ path: "b/../../etc/passwd" }] }), "deny", "policy:rule-3"],
  [tool({ kind: "edit", locations: [{ path: "/w/a" }, { path: "/w2/a" }] }), "deny", "policy:rule-3"],
  [tool({ kind: "edit" }), "deny", "policy:rule-3"],
  [tool({ title: "npm test" }), "allow", "policy:rule-4"],
  [tool({ title: "npm testing" }), "ask", "policy:otherwise"],
] as const)("rule case %#", (call, decision, by) => {
  expect(decidePermission(RULES, call, "/w")).toEqual({ decision, by });
});

test("a question that nobody answers in time is refused, and a question to a person has no answer", async () => {
  const queue = new EventQueue();
  const broker = new PermissionBroker(new EventWriter(queue), RULES, "/w");
  const signal = new AbortController().signal;
  const request = { toolCallId: "t", patch: { title: "make" }, options: PLAIN_OPTIONS };
  expect(await broker.ask(request, signal)).toBe("reject");
  expect(await broker.askQuestion({ text: "blue?" }, signal)).toBeNull();
  queue.end();
  const told: unknown[] = [];
  for await (const event of queue) told.push("by" in event ? [event.type, event.by] : event.type);
  expect(told).toEqual([
    "tool.started",
    "permission.asked",
    ["permission.answered", "time-out"],
    "question.asked",
    ["question.answered", "time-out"],
  ]);
});
