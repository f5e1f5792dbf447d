import { z } from "zod";
import type { HookCall, HookEvent } from "./hook-call.ts";
import { pickText, recordField, textField } from "./payload-fields.ts";
import { readAfterTool, readBeforeTool } from "./read-tool-event.ts";
import type { NamedToolUse, ReadIntents } from "./read-tool-event.ts";

/** What our plugin sends: the hook's name and its two arguments as OpenCode gave them, and where it runs. */
const openCodePayloadSchema = z.looseObject({
  hook: textField,
  directory: textField,
  /** Of a session that another one started (a subagent). */
  parentID: textField,
  /** The prompt's text, which the plugin takes from the message's parts. */
  text: textField,
  input: recordField.default({}),
  output: recordField.default({}),
  event: z
    .looseObject({ type: z.string(), properties: recordField.default({}) })
    .nullable()
    .catch(null)
    .default(null),
});

type OpenCodePayload = z.infer<typeof openCodePayloadSchema>;

function recordAt(
  record: Readonly<Record<string, unknown>>,
  name: string,
): Readonly<Record<string, unknown>> {
  return recordField.parse(Object.hasOwn(record, name) ? record[name] : {});
}

function sessionOf(payload: OpenCodePayload): string | null {
  const properties = payload.event?.properties ?? {};
  return (
    pickText(payload.input, ["sessionID"]) ??
    pickText(properties, ["sessionID"]) ??
    pickText(recordAt(properties, "info"), ["id"])
  );
}

function toUse(payload: OpenCodePayload, args: Readonly<Record<string, unknown>>): NamedToolUse {
  return {
    tool: pickText(payload.input, ["tool"]) ?? "",
    toolUseId: pickText(payload.input, ["callID"]),
    input: args,
    cwd: payload.directory ?? "",
  };
}

function hasFailed(output: Readonly<Record<string, unknown>>): boolean {
  const { exit } = recordAt(output, "metadata");
  return exit !== undefined && exit !== 0;
}

function modelOf(payload: OpenCodePayload): string | null {
  const model = recordAt(payload.input, "model");
  const id = pickText(model, ["modelID", "id"]);
  const provider = pickText(model, ["providerID"]);
  return id === null || provider === null ? id : `${provider}/${id}`;
}

const READERS: Readonly<Record<string, (payload: OpenCodePayload, readIntents: ReadIntents) => HookEvent>> = {
  "session.created": () => ({ type: "session-start", source: "startup" }),
  "session.deleted": () => ({ type: "session-end", reason: "deleted" }),
  "session.disposed": () => ({ type: "session-end", reason: "other" }),
  "session.idle": () => ({ type: "turn-end", stopHookActive: false }),
  "session.compacted": () => ({ type: "compact", phase: "after" }),
  "experimental.session.compacting": () => ({ type: "compact", phase: "before" }),
  "permission.asked": () => ({ type: "notification", kind: "permission_prompt" }),
  "permission.updated": () => ({ type: "notification", kind: "permission_prompt" }),
  "chat.message": (payload) => ({ type: "prompt", text: payload.text ?? "" }),
  "tool.execute.before": (payload, readIntents) =>
    readBeforeTool(toUse(payload, recordAt(payload.output, "args")), readIntents),
  "tool.execute.after": (payload, readIntents) =>
    readAfterTool(toUse(payload, recordAt(payload.input, "args")), readIntents, hasFailed(payload.output)),
};

function nameOf(payload: OpenCodePayload, eventHint: string | null): string {
  const hook = payload.hook ?? eventHint ?? "";
  return hook === "event" ? (payload.event?.type ?? "") : hook;
}

/** Reads what Canopy's OpenCode plugin sends. A subagent is a session of its own there; its call belongs to its parent's. */
export function parseOpenCodeCall(
  value: unknown,
  about: { readonly eventHint: string | null; readonly readIntents: ReadIntents },
): HookCall | null {
  const parsed = openCodePayloadSchema.safeParse(value);
  if (!parsed.success) return null;
  const payload = parsed.data;
  const session = sessionOf(payload);
  if (session === null) return null;
  const name = nameOf(payload, about.eventHint);
  const reader = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
  const event = reader?.(payload, about.readIntents) ?? { type: "other", name };
  const parent = payload.parentID === "" ? null : payload.parentID;
  const isChild = parent !== null;
  return {
    agent: "opencode",
    dialect: "opencode",
    nativeEvent: name,
    nativeSessionId: parent ?? session,
    cwd: payload.directory ?? "",
    childId: isChild ? session : null,
    childKind: isChild ? pickText(payload.input, ["agent"]) : null,
    model: modelOf(payload),
    event: isChild ? toChildEvent(event) : event,
  };
}

function toChildEvent(event: HookEvent): HookEvent {
  if (event.type === "session-start") return { type: "child-start" };
  if (event.type === "session-end") return { type: "other", name: "child.deleted" };
  if (event.type === "turn-end") return { type: "child-end", stopHookActive: event.stopHookActive };
  return event;
}
