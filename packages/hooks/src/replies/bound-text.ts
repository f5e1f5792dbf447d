import type { HookReply } from "./hook-reply.ts";

/** The longest text that goes into one member of an answer: Claude Code and Codex cut at 10,000 characters. */
export const MAX_REPLY_CHARS = 10_000;

const CUT = "\n[cut: the rest did not fit]";

/** A text that fits, never cut inside a character. */
export function boundText(text: string): string {
  if (text.length <= MAX_REPLY_CHARS) return text;
  const head = text.slice(0, MAX_REPLY_CHARS - CUT.length);
  return `${head.replace(/[\uD800-\uDBFF]$/, "")}${CUT}`;
}

/** A reason that says something: Codex lets a tool run whose denial has none. */
export function boundReason(text: string): string {
  return boundText(text.trim() === "" ? "Canopy says no." : text);
}

/** The reason with the context after it, for agents that tell the model only a reason. */
export function joinTexts(reply: HookReply): string {
  return [reply.reason, reply.context].filter((text) => text !== null && text !== "").join("\n\n");
}
