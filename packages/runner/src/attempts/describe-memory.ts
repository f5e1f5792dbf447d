import type { AgentEvent, ForkJob } from "@canopy/protocol";
import type { StartedAgent } from "../sessions/start-agent-session.ts";

/** What a transcript says of how its agent knows what was before; null when there is nothing to say. */
export function describeMemory(memory: StartedAgent["memory"], fork: ForkJob | null): AgentEvent | null {
  if (fork !== null) {
    const how = memory === "own" ? "the agent has copied it" : "the agent was told our transcript of it";
    return {
      type: "notice",
      level: "info",
      text: `this begins with the conversation of ${fork.sessionId}: ${how}`,
    };
  }
  if (memory !== "told") return null;
  const text = "the agent had lost its own conversation: it was told this transcript";
  return { type: "notice", level: "warn", text };
}
