import type { AgentEvent } from "@canopy/protocol";

const MAX_CHARS = 120;

function firstLine(text: string): string {
  const line = text.trim().split("\n").at(-1)?.trim() ?? "";
  return line.length > MAX_CHARS ? `${line.slice(0, MAX_CHARS - 1)}…` : line;
}

/** What an event tells about what an agent is doing, in one line, or null when it tells nothing new. */
export function describeActivity(event: AgentEvent): string | null {
  switch (event.type) {
    case "message.delta":
    case "message.done":
      return firstLine(event.text) === "" ? null : firstLine(event.text);
    case "thought.done":
      return "thinking";
    case "tool.started":
    case "tool.updated":
      return firstLine(`${event.tool.kind}: ${event.tool.title}`);
    case "permission.asked":
      return firstLine(`waits for permission: ${event.tool.title}`);
    case "error":
      return firstLine(`error: ${event.message}`);
    default:
      return null;
  }
}
