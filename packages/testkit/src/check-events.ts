import { agentEventSchema } from "@canopy/protocol";
import type { AgentEvent } from "@canopy/protocol";

interface CheckState {
  readonly faults: string[];
  readonly openTools: Set<string>;
  readonly openRequests: Set<string>;
  text: { readonly kind: "message" | "thought"; value: string } | null;
}

function checkDelta(state: CheckState, kind: "message" | "thought", text: string, place: string): void {
  const open = state.text;
  if (open !== null && open.kind !== kind) state.faults.push(`${place}: ${open.kind} left open`);
  state.text = { kind, value: (open?.value ?? "") + text };
}

function checkDone(state: CheckState, kind: "message" | "thought", text: string, place: string): void {
  const isSame = state.text?.kind === kind && state.text.value === text;
  if (!isSame) state.faults.push(`${place}: the full text is not what the deltas said`);
  state.text = null;
}

function checkText(state: CheckState, event: AgentEvent, place: string): void {
  if (event.type === "message.delta") return checkDelta(state, "message", event.text, place);
  if (event.type === "thought.delta") return checkDelta(state, "thought", event.text, place);
  if (event.type === "message.done") return checkDone(state, "message", event.text, place);
  if (event.type === "thought.done") return checkDone(state, "thought", event.text, place);
  if (state.text !== null) state.faults.push(`${place}: follows a delta that no full text closed`);
}

function checkPairs(state: CheckState, event: AgentEvent, place: string): void {
  if (event.type === "tool.started") state.openTools.add(event.tool.toolCallId);
  if (event.type === "tool.updated" && !state.openTools.has(event.tool.toolCallId)) {
    state.faults.push(`${place}: updates a tool call that is not open`);
  }
  if (event.type === "tool.ended") state.openTools.delete(event.tool.toolCallId);
  if (event.type === "permission.asked") state.openRequests.add(event.requestId);
  if (event.type === "permission.answered" && !state.openRequests.delete(event.requestId)) {
    state.faults.push(`${place}: answers a request that is not open`);
  }
  if (event.type !== "turn.ended") return;
  for (const id of state.openTools) state.faults.push(`${place}: tool call ${id} is still open`);
  for (const id of state.openRequests) state.faults.push(`${place}: permission request ${id} is still open`);
}

/**
 * Says what is wrong with a stream of canonical events: a shape that the schema refuses, deltas that no full text closes,
 * tool calls or permission requests that outlive their turn. Empty when all is well.
 */
export function findEventFaults(events: readonly AgentEvent[]): string[] {
  const state: CheckState = { faults: [], openTools: new Set(), openRequests: new Set(), text: null };
  for (const [index, event] of events.entries()) {
    const place = `event ${index} (${event.type})`;
    const parsed = agentEventSchema.safeParse(event);
    if (!parsed.success) state.faults.push(`${place}: ${parsed.error.issues[0]?.message ?? "invalid"}`);
    checkText(state, event, place);
    checkPairs(state, event, place);
  }
  if (state.text !== null) state.faults.push("the last text is not closed");
  return state.faults;
}
