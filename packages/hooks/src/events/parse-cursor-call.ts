import { z } from "zod";
import type { HookCall, HookEvent } from "./hook-call.ts";
import { modelField, recordField, textField } from "./payload-fields.ts";
import { readAfterTool, readBeforeTool } from "./read-tool-event.ts";
import type { NamedToolUse, ReadIntents } from "./read-tool-event.ts";

const cursorPayloadSchema = z.looseObject({
  conversation_id: textField,
  session_id: textField,
  parent_conversation_id: textField,
  hook_event_name: textField,
  workspace_roots: z.array(z.string()).catch([]).default([]),
  cwd: textField,
  model: modelField,
  tool_name: textField,
  tool_input: recordField.default({}),
  tool_use_id: textField,
  command: textField,
  file_path: textField,
  prompt: textField,
  subagent_id: textField,
  subagent_type: textField,
  loop_count: z.number().catch(0).default(0),
  reason: textField,
});

type CursorPayload = z.infer<typeof cursorPayloadSchema>;

function cwdOf(payload: CursorPayload): string {
  return payload.cwd !== null && payload.cwd !== "" ? payload.cwd : (payload.workspace_roots[0] ?? "");
}

function toUse(payload: CursorPayload): NamedToolUse {
  return {
    tool: payload.tool_name ?? "",
    toolUseId: payload.tool_use_id,
    input: payload.tool_input,
    cwd: cwdOf(payload),
  };
}

/** The older events of one tool each name no tool and have its input at the top. */
function toOldUse(payload: CursorPayload, tool: string): NamedToolUse {
  return { ...toUse(payload), tool, input: { command: payload.command, file_path: payload.file_path } };
}

const READERS: Readonly<Record<string, (payload: CursorPayload, readIntents: ReadIntents) => HookEvent>> = {
  sessionStart: () => ({ type: "session-start", source: "startup" }),
  sessionEnd: (payload) => ({ type: "session-end", reason: payload.reason ?? "other" }),
  beforeSubmitPrompt: (payload) => ({ type: "prompt", text: payload.prompt ?? "" }),
  preToolUse: (payload, readIntents) => readBeforeTool(toUse(payload), readIntents),
  postToolUse: (payload, readIntents) => readAfterTool(toUse(payload), readIntents, false),
  postToolUseFailure: (payload, readIntents) => readAfterTool(toUse(payload), readIntents, true),
  beforeShellExecution: (payload, readIntents) => readBeforeTool(toOldUse(payload, "Shell"), readIntents),
  afterShellExecution: (payload, readIntents) =>
    readAfterTool(toOldUse(payload, "Shell"), readIntents, false),
  beforeReadFile: (payload, readIntents) => readBeforeTool(toOldUse(payload, "Read"), readIntents),
  afterFileEdit: (payload, readIntents) => readAfterTool(toOldUse(payload, "Write"), readIntents, false),
  afterTabFileEdit: (payload, readIntents) =>
    readAfterTool(toOldUse(payload, "TabWrite"), readIntents, false),
  subagentStart: () => ({ type: "child-start" }),
  subagentStop: (payload) => ({ type: "child-end", stopHookActive: payload.loop_count > 0 }),
  stop: (payload) => ({ type: "turn-end", stopHookActive: payload.loop_count > 0 }),
  preCompact: () => ({ type: "compact", phase: "before" }),
};

/** Reads a payload of Cursor. A subagent's call belongs to its parent's conversation. Null when there is no conversation in it. */
export function parseCursorCall(
  value: unknown,
  about: { readonly eventHint: string | null; readonly readIntents: ReadIntents },
): HookCall | null {
  const parsed = cursorPayloadSchema.safeParse(value);
  if (!parsed.success) return null;
  const payload = parsed.data;
  const session = payload.parent_conversation_id ?? payload.conversation_id ?? payload.session_id ?? "";
  if (session === "") return null;
  const name = payload.hook_event_name ?? about.eventHint ?? "";
  const reader = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
  return {
    agent: "cursor",
    dialect: "cursor",
    nativeEvent: name,
    nativeSessionId: session,
    cwd: cwdOf(payload),
    childId: payload.subagent_id,
    childKind: payload.subagent_type,
    model: payload.model,
    event: reader?.(payload, about.readIntents) ?? { type: "other", name },
  };
}
