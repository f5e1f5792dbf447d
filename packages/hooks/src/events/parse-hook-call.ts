import { openHostFiles } from "../intents/host-files.ts";
import type { HostFiles } from "../intents/host-files.ts";
import { readToolIntents } from "../intents/read-tool-intents.ts";
import type { HookAgent, HookCall } from "./hook-call.ts";
import { parseClaudeCall } from "./parse-claude-call.ts";
import { parseCursorCall } from "./parse-cursor-call.ts";
import { parseGeminiCall } from "./parse-gemini-call.ts";
import { parseOpenCodeCall } from "./parse-opencode-call.ts";
import type { ReadIntents } from "./read-tool-event.ts";

/** The longest payload that is read; a hook that sends more is answered with nothing. */
export const MAX_HOOK_PAYLOAD_CHARS = 16 * 1024 * 1024;

/**
 * Reads what an agent handed to a hook (a text of JSON, or what was parsed from it). Events that nobody knows become `other`; null
 * when it is no such payload at all, or names no session. Never throws. `eventHint` is used when the payload does not say its event.
 */
export function parseHookCall(
  agent: HookAgent,
  payload: unknown,
  eventHint: string | null = null,
  host: HostFiles = openHostFiles(),
): HookCall | null {
  const value = typeof payload === "string" ? parseJson(payload) : payload;
  const readIntents: ReadIntents = (use) => {
    try {
      return readToolIntents(agent, use, host);
    } catch {
      // A script that the parser stumbles over must not cost the agent its hook; the work tree is looked at afterwards anyway.
      return [];
    }
  };
  const about = { eventHint, readIntents };
  if (agent === "gemini") return parseGeminiCall(value, about);
  if (agent === "cursor") return parseCursorCall(value, about);
  if (agent === "opencode") return parseOpenCodeCall(value, about);
  return parseClaudeCall(agent, value, about);
}

function parseJson(text: string): unknown {
  if (text.length > MAX_HOOK_PAYLOAD_CHARS) return null;
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch {
    return null;
  }
}
