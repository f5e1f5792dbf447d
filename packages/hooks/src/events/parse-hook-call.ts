import type { HookAgent, HookCall } from "./hook-call.ts";
import { parseClaudeCall } from "./parse-claude-call.ts";

/** The largest payload that is read; a hook that sends more is answered with nothing. */
export const MAX_HOOK_PAYLOAD_BYTES = 16 * 1024 * 1024;

/**
 * Reads what an agent handed to a hook (a text of JSON, or what was parsed from it). Events that nobody knows become `other`; null
 * when it is no such payload at all, or names no session. Never throws. `eventHint` is used when the payload does not say its event.
 */
export function parseHookCall(
  agent: HookAgent,
  payload: unknown,
  eventHint: string | null = null,
): HookCall | null {
  const value = typeof payload === "string" ? parseJson(payload) : payload;
  switch (agent) {
    case "claude":
    case "codex":
      return parseClaudeCall(agent, value, eventHint);
    default:
      return null;
  }
}

function parseJson(text: string): unknown {
  if (text.length > MAX_HOOK_PAYLOAD_BYTES) return null;
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch {
    return null;
  }
}
