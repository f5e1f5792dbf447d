import type { ToolUse } from "../intents/read-tool-intents.ts";
import type { ToolIntent } from "../intents/tool-intent.ts";
import type { HookEvent } from "./hook-call.ts";

/** Says what a call of a tool is about to do; never throws. */
export type ReadIntents = (use: ToolUse) => readonly ToolIntent[];

/** A call of a tool, with its id where the agent gives one. */
export interface NamedToolUse extends ToolUse {
  readonly toolUseId: string | null;
}

/** The event before a tool. */
export function readBeforeTool(use: NamedToolUse, readIntents: ReadIntents): HookEvent {
  return { type: "before-tool", tool: use.tool, toolUseId: use.toolUseId, intents: readIntents(use) };
}

/** The event after a tool. */
export function readAfterTool(use: NamedToolUse, readIntents: ReadIntents, failed: boolean): HookEvent {
  return { type: "after-tool", tool: use.tool, toolUseId: use.toolUseId, intents: readIntents(use), failed };
}
