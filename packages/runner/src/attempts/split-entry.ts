import type { AgentEvent } from "@canopy/protocol";

/** Longest text of one transcript entry, in characters: rows stay far under the 2 MB that a Durable Object allows. */
export const MAX_ENTRY_CHARS = 262_144;

function splitText(text: string): string[] {
  const parts: string[] = [];
  for (let start = 0; start < text.length;) {
    let end = Math.min(text.length, start + MAX_ENTRY_CHARS);
    // Do not cut a surrogate pair in two.
    const last = text.charCodeAt(end - 1);
    if (end < text.length && last >= 0xd800 && last <= 0xdbff) end -= 1;
    parts.push(text.slice(start, end));
    start = end;
  }
  return parts.length === 0 ? [""] : parts;
}

function cutMiddle(text: string): string {
  if (text.length <= MAX_ENTRY_CHARS) return text;
  const keep = Math.floor(MAX_ENTRY_CHARS / 2);
  return `${text.slice(0, keep)}\n[... ${text.length - 2 * keep} characters left out ...]\n${text.slice(-keep)}`;
}

/**
 * Makes one event fit into transcript rows: long messages and thoughts become several entries with nothing lost; long
 * tool outputs and diffs lose their middle, with a mark that says how much.
 */
export function splitEntry(event: AgentEvent): AgentEvent[] {
  switch (event.type) {
    case "message.done":
    case "thought.done":
      return event.text.length <= MAX_ENTRY_CHARS
        ? [event]
        : splitText(event.text).map((text) => ({ type: event.type, text }));
    case "tool.started":
    case "tool.updated":
    case "tool.ended": {
      const { tool } = event;
      const output = tool.output === undefined ? {} : { output: cutMiddle(tool.output) };
      const isInputHuge = tool.input !== undefined && JSON.stringify(tool.input).length > MAX_ENTRY_CHARS;
      const input = isInputHuge ? { input: "[left out: too large]" } : {};
      const diffs = tool.diffs.map((diff) => ({
        path: diff.path,
        oldText: diff.oldText === null ? null : cutMiddle(diff.oldText),
        newText: diff.newText === null ? null : cutMiddle(diff.newText),
      }));
      return [{ type: event.type, tool: { ...tool, ...output, ...input, diffs } }];
    }
    case "notice":
      return [{ ...event, text: cutMiddle(event.text) }];
    case "raw":
      return JSON.stringify(event.value).length > MAX_ENTRY_CHARS
        ? [{ type: "raw", source: event.source, value: "[left out: too large]" }]
        : [event];
    default:
      return [event];
  }
}
