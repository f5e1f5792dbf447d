import { z } from "zod";
import type { HookCall, HookEvent } from "./hook-call.ts";
import { flagField, modelField, recordField, textField } from "./payload-fields.ts";
import { readAfterTool, readBeforeTool } from "./read-tool-event.ts";
import type { ReadIntents } from "./read-tool-event.ts";

/** What Claude Code and Codex hand to a hook; Codex adds `model` and `turn_id`. */
const claudePayloadSchema = z.looseObject({
  session_id: z.string().min(1),
  hook_event_name: textField,
  cwd: textField,
  model: modelField,
  agent_id: textField,
  agent_type: textField,
  source: textField,
  prompt: textField,
  tool_name: textField,
  tool_input: recordField.default({}),
  tool_use_id: textField,
  stop_hook_active: flagField,
  notification_type: textField,
  reason: textField,
  new_cwd: textField,
  cursor_version: textField,
});

type ClaudePayload = z.infer<typeof claudePayloadSchema>;
type EventReader = (payload: ClaudePayload, readIntents: ReadIntents) => HookEvent;

function toUse(payload: ClaudePayload): Parameters<typeof readBeforeTool>[0] {
  return {
    tool: payload.tool_name ?? "",
    toolUseId: payload.tool_use_id,
    input: payload.tool_input,
    cwd: payload.cwd ?? "",
  };
}

const READERS: Readonly<Record<string, EventReader>> = {
  SessionStart: (payload) => ({ type: "session-start", source: payload.source ?? "startup" }),
  UserPromptSubmit: (payload) => ({ type: "prompt", text: payload.prompt ?? "" }),
  PreToolUse: (payload, readIntents) => readBeforeTool(toUse(payload), readIntents),
  PostToolUse: (payload, readIntents) => readAfterTool(toUse(payload), readIntents, false),
  PostToolUseFailure: (payload, readIntents) => readAfterTool(toUse(payload), readIntents, true),
  PostToolBatch: () => ({ type: "after-batch" }),
  SubagentStart: () => ({ type: "child-start" }),
  SubagentStop: (payload) => ({ type: "child-end", stopHookActive: payload.stop_hook_active }),
  Stop: (payload) => ({ type: "turn-end", stopHookActive: payload.stop_hook_active }),
  // The turn ended by an error, or by the person's key: nothing may keep it going, so it counts as kept already.
  StopFailure: () => ({ type: "turn-end", stopHookActive: true }),
  Interrupt: () => ({ type: "turn-end", stopHookActive: true }),
  Notification: (payload) => ({ type: "notification", kind: payload.notification_type ?? "unknown" }),
  PermissionRequest: () => ({ type: "notification", kind: "permission_prompt" }),
  PreCompact: () => ({ type: "compact", phase: "before" }),
  PostCompact: () => ({ type: "compact", phase: "after" }),
  CwdChanged: (payload) => ({ type: "cwd-changed", cwd: payload.new_cwd ?? payload.cwd ?? "" }),
  SessionEnd: (payload) => ({ type: "session-end", reason: payload.reason ?? "other" }),
};

/** Reads a payload of Claude Code or of Codex, which took the form over. Null when there is no session in it. */
export function parseClaudeCall(
  agent: "claude" | "codex",
  value: unknown,
  about: { readonly eventHint: string | null; readonly readIntents: ReadIntents },
): HookCall | null {
  const parsed = claudePayloadSchema.safeParse(value);
  if (!parsed.success) return null;
  const payload = parsed.data;
  const name = payload.hook_event_name ?? about.eventHint ?? "";
  const reader = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
  return {
    // Cursor runs the hooks of Claude's settings too, and says so by its version.
    agent: agent === "claude" && payload.cursor_version !== null ? "cursor" : agent,
    dialect: agent,
    nativeEvent: name,
    nativeSessionId: payload.session_id,
    cwd: payload.cwd ?? "",
    childId: payload.agent_id,
    childKind: payload.agent_id === null ? null : payload.agent_type,
    model: payload.model,
    event: reader?.(payload, about.readIntents) ?? { type: "other", name },
  };
}
