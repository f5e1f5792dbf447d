import { z } from "zod";
import type { HookCall, HookEvent } from "./hook-call.ts";
import { flagField, modelField, recordField, textField } from "./payload-fields.ts";
import { readAfterTool, readBeforeTool } from "./read-tool-event.ts";
import type { ReadIntents } from "./read-tool-event.ts";

const geminiPayloadSchema = z.looseObject({
  session_id: z.string().min(1),
  hook_event_name: textField,
  cwd: textField,
  model: modelField,
  source: textField,
  prompt: textField,
  tool_name: textField,
  tool_input: recordField.default({}),
  tool_response: recordField.default({}),
  stop_hook_active: flagField,
  notification_type: textField,
  trigger: textField,
  reason: textField,
});

type GeminiPayload = z.infer<typeof geminiPayloadSchema>;

function toUse(payload: GeminiPayload): Parameters<typeof readBeforeTool>[0] {
  return {
    tool: payload.tool_name ?? "",
    toolUseId: null,
    input: payload.tool_input,
    cwd: payload.cwd ?? "",
  };
}

function hasFailed(response: Readonly<Record<string, unknown>>): boolean {
  const { error } = response;
  return error !== undefined && error !== null && error !== "";
}

const READERS: Readonly<Record<string, (payload: GeminiPayload, readIntents: ReadIntents) => HookEvent>> = {
  SessionStart: (payload) => ({ type: "session-start", source: payload.source ?? "startup" }),
  SessionEnd: (payload) => ({ type: "session-end", reason: payload.reason ?? "other" }),
  BeforeAgent: (payload) => ({ type: "prompt", text: payload.prompt ?? "" }),
  AfterAgent: (payload) => ({ type: "turn-end", stopHookActive: payload.stop_hook_active }),
  BeforeTool: (payload, readIntents) => readBeforeTool(toUse(payload), readIntents),
  AfterTool: (payload, readIntents) =>
    readAfterTool(toUse(payload), readIntents, hasFailed(payload.tool_response)),
  // With `auto` it is told before every request to the model, and almost never is anything compressed then.
  PreCompress: (payload) =>
    payload.trigger === "manual"
      ? { type: "compact", phase: "before" }
      : { type: "other", name: "PreCompress" },
  Notification: (payload) => ({ type: "notification", kind: payload.notification_type ?? "unknown" }),
};

/** Reads a payload of Gemini CLI. Null when there is no session in it. */
export function parseGeminiCall(
  value: unknown,
  about: { readonly eventHint: string | null; readonly readIntents: ReadIntents },
): HookCall | null {
  const parsed = geminiPayloadSchema.safeParse(value);
  if (!parsed.success) return null;
  const payload = parsed.data;
  const name = payload.hook_event_name ?? about.eventHint ?? "";
  const reader = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
  return {
    agent: "gemini",
    dialect: "gemini",
    nativeEvent: name,
    nativeSessionId: payload.session_id,
    cwd: payload.cwd ?? "",
    childId: null,
    childKind: null,
    model: payload.model,
    event: reader?.(payload, about.readIntents) ?? { type: "other", name },
  };
}
