import type { Json, ToolCall, Usage } from "@canopy/protocol";
import { ZERO_USAGE } from "@canopy/protocol";
import { z } from "zod";
import type { EventWriter, ToolPatch } from "../event-writer.ts";
import { emitRaw } from "../session/emit-raw.ts";
import { openCodeMessageSchema, openCodePartSchema } from "./opencode-schema.ts";
import type { OpenCodeEvent, OpenCodeMessage, OpenCodePart } from "./opencode-schema.ts";

/** Events that say nothing of a session's work, or what another event says as well. */
const PASSED_OVER = [
  /^(server|plugin|catalog|reference|integration|installation|project|vcs|lsp|pty|worktree|workspace|tui)\./,
  /^mcp\./,
  /^(file\.edited|file\.watcher\.updated|command\.executed|sync|models-dev\.refreshed)$/,
  /^session\.(created|updated|deleted|diff|idle)$/,
  /^(permission|question)\.(asked|replied|rejected)$/,
  /^message\.(removed|part\.removed)$/,
];
const PARTS_PASSED_OVER = new Set([
  "step-start",
  "step-finish",
  "snapshot",
  "patch",
  "file",
  "agent",
  "subtask",
]);

const KINDS: Readonly<Record<string, ToolCall["kind"]>> = {
  bash: "execute",
  edit: "edit",
  write: "edit",
  patch: "edit",
  apply_patch: "edit",
  multiedit: "edit",
  read: "read",
  list: "search",
  glob: "search",
  grep: "search",
  codesearch: "search",
  webfetch: "fetch",
  websearch: "fetch",
  task: "think",
  todowrite: "think",
  todoread: "think",
};

const STATES: Readonly<Record<string, ToolCall["state"]>> = {
  pending: "pending",
  running: "in_progress",
  completed: "completed",
  error: "failed",
};

const deltaSchema = z.looseObject({
  partID: z.string(),
  messageID: z.string(),
  field: z.string(),
  delta: z.string(),
});
const todoSchema = z.looseObject({
  todos: z.array(z.looseObject({ content: z.string(), status: z.string().catch("pending") })).catch([]),
});
const statusSchema = z.looseObject({
  status: z.looseObject({ type: z.string(), attempt: z.number().optional(), message: z.string().optional() }),
});

function textAt(input: Json | undefined, name: string): string | null {
  if (typeof input !== "object" || input === null) return null;
  const value: unknown = Reflect.get(input, name);
  return typeof value === "string" ? value : null;
}

function titleOf(name: string, input: Json | undefined): string {
  const about =
    textAt(input, "command") ?? textAt(input, "filePath") ?? textAt(input, "pattern") ?? textAt(input, "url");
  return about === null ? name : `${name} ${about}`;
}

function diffsOf(name: string, input: Json | undefined): ToolCall["diffs"] | undefined {
  const path = textAt(input, "filePath");
  const newText = textAt(input, name === "write" ? "content" : "newString");
  if (path === null || newText === null || (name !== "write" && name !== "edit")) return undefined;
  return [{ path, oldText: name === "write" ? null : textAt(input, "oldString"), newText }];
}

/** What a call of one of OpenCode's tools says, in canonical terms. */
export function toOpenCodeToolPatch(name: string, state: NonNullable<OpenCodePart["state"]>): ToolPatch {
  const { input, status, output, error } = state;
  const path = textAt(input, "filePath") ?? textAt(input, "path");
  return {
    kind: KINDS[name] ?? "other",
    title: titleOf(name, input),
    state: STATES[status],
    locations: path === null ? [] : [{ path }],
    input,
    output: output ?? error,
    diffs: diffsOf(name, input),
  };
}

function toPlanState(status: string): "pending" | "in_progress" | "completed" {
  return status === "completed" || status === "in_progress" ? status : "pending";
}

/** Turns the server's events of one session, and of sessions below it, into canonical ones. */
export class OpenCodeMapper {
  readonly #writer: EventWriter;
  readonly #roles = new Map<string, string>();
  readonly #parts = new Map<string, { readonly type: string; text: string }>();
  readonly #spent = new Map<string, OpenCodeMessage>();
  /** Messages of this session that were there before: what is told of them again is passed over. */
  #model: string | null = null;

  constructor(writer: EventWriter) {
    this.#writer = writer;
  }

  /** Takes one event. `isChild` for sessions below this one: their words are not this session's. */
  take(event: OpenCodeEvent, isChild = false): void {
    const { type, properties } = event;
    if (type === "message.updated") this.#message(properties["info"]);
    else if (type === "message.part.updated") this.#part(properties["part"], isChild);
    else if (type === "message.part.delta") this.#delta(properties, isChild);
    else if (type === "todo.updated") this.#plan(properties);
    else if (type === "session.status") this.#status(properties);
    else if (type === "session.compacted") this.#writer.emit({ type: "compaction", text: "" });
    else if (type === "session.error") return;
    else if (!PASSED_OVER.some((pattern) => pattern.test(type)))
      emitRaw(this.#writer, `opencode.${type}`, properties);
  }

  /** What all messages have cost so far. */
  get usage(): Usage {
    let total: Usage = ZERO_USAGE;
    for (const { tokens, cost } of this.#spent.values()) {
      total = {
        inputTokens: total.inputTokens + (tokens?.input ?? 0),
        outputTokens: total.outputTokens + (tokens?.output ?? 0) + (tokens?.reasoning ?? 0),
        cacheReadTokens: total.cacheReadTokens + (tokens?.cache.read ?? 0),
        cacheWriteTokens: total.cacheWriteTokens + (tokens?.cache.write ?? 0),
        costUsd: cost === undefined ? total.costUsd : (total.costUsd ?? 0) + cost,
      };
    }
    return total;
  }

  #message(value: unknown): void {
    const parsed = openCodeMessageSchema.safeParse(value);
    if (!parsed.success) return emitRaw(this.#writer, "opencode.message.updated", value);
    const { id, role, modelID, providerID } = parsed.data;
    this.#roles.set(id, role);
    if (role !== "assistant") return;
    const model = providerID === undefined ? modelID : `${providerID}/${modelID ?? ""}`;
    if (model !== undefined && model !== this.#model) {
      this.#model = model;
      this.#writer.emit({ type: "model.changed", model });
    }
    this.#spent.set(id, parsed.data);
    this.#writer.setUsage(this.usage);
  }

  #part(value: unknown, isChild: boolean): void {
    const parsed = openCodePartSchema.safeParse(value);
    if (!parsed.success) return emitRaw(this.#writer, "opencode.message.part.updated", value);
    const part = parsed.data;
    const { type, messageID, callID, tool, state } = part;
    if (type === "tool" && callID !== undefined && tool !== undefined && state !== undefined) {
      this.#writer.tool(callID, toOpenCodeToolPatch(tool, state));
      return;
    }
    if (type === "text" || type === "reasoning") {
      if (this.#roles.get(messageID) === "user" || isChild) return;
      this.#text(part.id, type, part.text ?? "");
      return;
    }
    if (type === "compaction") return this.#writer.emit({ type: "compaction", text: part.text ?? "" });
    if (type === "retry")
      return this.#writer.emit({ type: "notice", level: "warn", text: "the model is asked again" });
    if (!PARTS_PASSED_OVER.has(type)) emitRaw(this.#writer, `opencode.part.${type}`, value);
  }

  /** A part carries all of its text so far; what is new of it is written. */
  #text(partId: string, type: string, text: string): void {
    const known = this.#parts.get(partId) ?? { type, text: "" };
    this.#parts.set(partId, known);
    if (!text.startsWith(known.text) || text.length === known.text.length) return;
    this.#write(type, text.slice(known.text.length), partId);
    known.text = text;
  }

  #delta(value: unknown, isChild: boolean): void {
    const parsed = deltaSchema.safeParse(value);
    if (!parsed.success) return emitRaw(this.#writer, "opencode.message.part.delta", value);
    const { partID, field, delta } = parsed.data;
    const known = this.#parts.get(partID);
    // A part is told before its pieces; those of anything but text are in the part itself.
    if (isChild || field !== "text" || known === undefined) return;
    known.text += delta;
    this.#write(known.type, delta, partID);
  }

  #write(type: string, text: string, partId: string): void {
    if (type === "reasoning") this.#writer.thought(text, partId);
    else this.#writer.message(text, partId);
  }

  #plan(value: unknown): void {
    const todos = todoSchema.safeParse(value).data?.todos ?? [];
    const entries = todos.map(({ content, status }) => ({
      text: content,
      state: toPlanState(status),
    }));
    this.#writer.emit({ type: "plan", entries });
  }

  #status(value: unknown): void {
    const status = statusSchema.safeParse(value).data?.status;
    if (status?.type !== "retry") return;
    const text = `the model is asked again (${status.attempt ?? 1}): ${status.message ?? ""}`;
    this.#writer.emit({ type: "notice", level: "warn", text });
  }
}
