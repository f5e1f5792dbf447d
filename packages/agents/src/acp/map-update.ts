import type { EventWriter, ToolPatch } from "../event-writer.ts";
import { emitRaw } from "../session/emit-raw.ts";
import {
  chunkSchema,
  commandsSchema,
  compactionSchema,
  configUpdateSchema,
  modeUpdateSchema,
  noticeSchema,
  planSchema,
  sessionInfoSchema,
  sessionUpdateSchema,
  toolUpdateSchema,
  usageUpdateSchema,
} from "./acp-schema.ts";
import type { ConfigOption, ToolUpdate } from "./acp-schema.ts";

/** What an update changes besides the events it writes. */
export interface UpdateEffects {
  /** True when codex-acp said that the turn failed inside its own machinery. */
  readonly hasSystemError: boolean;
}

const NO_EFFECT: UpdateEffects = { hasSystemError: false };

type Handler = (writer: EventWriter, update: unknown) => UpdateEffects | null;

interface Block {
  readonly type: string;
  readonly text?: string | null | undefined;
  readonly uri?: string | null | undefined;
  readonly name?: string | null | undefined;
}

function blockText(block: Block): string {
  if (block.type === "text") return block.text ?? "";
  const name = block.uri ?? block.name;
  return name === null || name === undefined ? `[${block.type}]` : `[${block.type}: ${name}]`;
}

function outputText(update: ToolUpdate): string | undefined {
  const texts = (update.content ?? [])
    .filter((item) => item.type === "content")
    .map((item) => (item.content === undefined ? "" : blockText(item.content)))
    .filter((text) => text !== "");
  if (texts.length > 0) return texts.join("\n");
  if (typeof update.rawOutput === "string") return update.rawOutput;
  const delta: unknown = update._meta?.["terminal_output_delta"];
  if (typeof delta === "object" && delta !== null && "data" in delta && typeof delta.data === "string")
    return delta.data;
  if (update.rawOutput === undefined || update.rawOutput === null) return undefined;
  return JSON.stringify(update.rawOutput);
}

/** What an ACP tool call update says, in canonical terms. */
export function toToolPatch(update: ToolUpdate): ToolPatch {
  const diffs = update.content
    ?.filter((item) => item.type === "diff")
    .map((item) => ({ path: item.path ?? "", oldText: item.oldText ?? null, newText: item.newText ?? null }));
  return {
    kind: update.kind ?? undefined,
    title: update.title ?? undefined,
    state: update.status ?? undefined,
    locations: update.locations?.map(({ path, line }) =>
      line === null || line === undefined ? { path } : { path, line },
    ),
    input: update.rawInput,
    output: outputText(update),
    diffs: diffs === undefined || diffs.length === 0 ? undefined : diffs,
  };
}

/** Tells the model and the mode out of a session's settings. */
export function emitConfigOptions(writer: EventWriter, options: readonly ConfigOption[]): void {
  for (const option of options) {
    if (typeof option.currentValue !== "string") continue;
    if (option.category === "model") writer.emit({ type: "model.changed", model: option.currentValue });
    if (option.category === "mode") writer.emit({ type: "mode.changed", mode: option.currentValue });
  }
}

function handleMessage(writer: EventWriter, update: unknown): UpdateEffects | null {
  const parsed = chunkSchema.safeParse(update);
  if (!parsed.success) return null;
  writer.message(blockText(parsed.data.content), parsed.data.messageId ?? null);
  return NO_EFFECT;
}

function handleThought(writer: EventWriter, update: unknown): UpdateEffects | null {
  const parsed = chunkSchema.safeParse(update);
  if (!parsed.success) return null;
  writer.thought(blockText(parsed.data.content), parsed.data.messageId ?? null);
  return NO_EFFECT;
}

function handleTool(writer: EventWriter, update: unknown): UpdateEffects | null {
  const parsed = toolUpdateSchema.safeParse(update);
  if (!parsed.success) return null;
  writer.tool(parsed.data.toolCallId, toToolPatch(parsed.data));
  return NO_EFFECT;
}

function handlePlan(writer: EventWriter, update: unknown): UpdateEffects | null {
  const parsed = planSchema.safeParse(update);
  if (!parsed.success) return null;
  const entries = parsed.data.entries.map(({ content, status, priority }) => {
    const entry = { text: content, state: status };
    return priority === undefined ? entry : Object.assign(entry, { priority });
  });
  writer.emit({ type: "plan", entries });
  return NO_EFFECT;
}

function handleCommands(writer: EventWriter, update: unknown): UpdateEffects | null {
  const parsed = commandsSchema.safeParse(update);
  if (!parsed.success) return null;
  const commands = parsed.data.availableCommands.map(({ name, description }) => ({ name, description }));
  writer.emit({ type: "commands", commands });
  return NO_EFFECT;
}

function handleUsage(writer: EventWriter, update: unknown): UpdateEffects | null {
  const parsed = usageUpdateSchema.safeParse(update);
  if (!parsed.success) return null;
  const { cost } = parsed.data;
  if (cost?.currency === "USD") writer.setUsage({ ...writer.usage, costUsd: cost.amount });
  emitRaw(writer, "acp.usage_update", update);
  return NO_EFFECT;
}

function handleMode(writer: EventWriter, update: unknown): UpdateEffects | null {
  const parsed = modeUpdateSchema.safeParse(update);
  if (!parsed.success) return null;
  writer.emit({ type: "mode.changed", mode: parsed.data.currentModeId });
  return NO_EFFECT;
}

function handleConfig(writer: EventWriter, update: unknown): UpdateEffects | null {
  const parsed = configUpdateSchema.safeParse(update);
  if (!parsed.success) return null;
  emitConfigOptions(writer, parsed.data.configOptions);
  return NO_EFFECT;
}

function handleNotice(writer: EventWriter, update: unknown): UpdateEffects | null {
  const parsed = noticeSchema.safeParse(update);
  if (!parsed.success) return null;
  const { severity, title, description } = parsed.data;
  const text = description === null || description === undefined ? title : `${title}: ${description}`;
  writer.emit({ type: "notice", level: severity === "info" ? "info" : "warn", text });
  return NO_EFFECT;
}

function handleCompaction(writer: EventWriter, update: unknown): UpdateEffects | null {
  const parsed = compactionSchema.safeParse(update);
  if (!parsed.success) return null;
  const summary = (parsed.data.summary ?? []).map(blockText).join("\n");
  const text = parsed.data.error ?? (summary === "" ? parsed.data.status : summary);
  if (parsed.data.status === "completed") writer.emit({ type: "compaction", text });
  else writer.emit({ type: "notice", level: "info", text: `context compaction: ${text}` });
  return NO_EFFECT;
}

function handleSessionInfo(writer: EventWriter, update: unknown): UpdateEffects | null {
  const parsed = sessionInfoSchema.safeParse(update);
  if (!parsed.success) return null;
  emitRaw(writer, "acp.session_info_update", update);
  return { hasSystemError: parsed.data._meta?.codex?.threadStatus?.type === "systemError" };
}

const HANDLERS: ReadonlyMap<string, Handler> = new Map([
  ["agent_message_chunk", handleMessage],
  ["agent_thought_chunk", handleThought],
  ["tool_call", handleTool],
  ["tool_call_update", handleTool],
  ["plan", handlePlan],
  ["available_commands_update", handleCommands],
  ["usage_update", handleUsage],
  ["current_mode_update", handleMode],
  ["config_option_update", handleConfig],
  ["notice", handleNotice],
  ["compaction_update", handleCompaction],
  ["session_info_update", handleSessionInfo],
]);

/**
 * Writes the canonical events of one `session/update`. Kinds that Canopy does not know, and known kinds of a shape it
 * cannot read, are kept as `raw`. Never throws.
 */
export function mapSessionUpdate(writer: EventWriter, params: unknown): UpdateEffects {
  const parsed = sessionUpdateSchema.safeParse(params);
  if (!parsed.success) {
    emitRaw(writer, "acp.session/update", params);
    return NO_EFFECT;
  }
  const { update } = parsed.data;
  const effects = HANDLERS.get(update.sessionUpdate)?.(writer, update) ?? null;
  if (effects !== null) return effects;
  emitRaw(writer, `acp.${update.sessionUpdate}`, update);
  return NO_EFFECT;
}
