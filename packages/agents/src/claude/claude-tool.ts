import type { Json, ToolCall } from "@canopy/protocol";
import type { ToolPatch } from "../event-writer.ts";

const KINDS: Readonly<Record<string, ToolCall["kind"]>> = {
  Agent: "think",
  Bash: "execute",
  BashOutput: "execute",
  Edit: "edit",
  ExitPlanMode: "switch_mode",
  EnterPlanMode: "switch_mode",
  Glob: "search",
  Grep: "search",
  KillShell: "execute",
  LS: "search",
  MultiEdit: "edit",
  NotebookEdit: "edit",
  Read: "read",
  Task: "think",
  TodoWrite: "think",
  ToolSearch: "search",
  WebFetch: "fetch",
  WebSearch: "fetch",
  Write: "edit",
};

function textAt(input: Json | undefined, name: string): string | null {
  if (typeof input !== "object" || input === null) return null;
  const value: unknown = Reflect.get(input, name);
  return typeof value === "string" ? value : null;
}

function diffsOf(name: string, input: Json, path: string | null): ToolCall["diffs"] | undefined {
  if (path === null) return undefined;
  const content = textAt(input, "content");
  if (name === "Write" && content !== null) return [{ path, oldText: null, newText: content }];
  const oldText = textAt(input, "old_string");
  const newText = textAt(input, "new_string");
  return name === "Edit" && newText !== null ? [{ path, oldText, newText }] : undefined;
}

function agentTask(name: string, input: Json): string | null {
  return name === "Agent" || name === "Task" ? textAt(input, "description") : null;
}

/** What a call of one of Claude's tools says, in canonical terms. The old text of `Write` is not known. */
export function toClaudeToolPatch(name: string, input: Json): ToolPatch {
  const path = textAt(input, "file_path") ?? textAt(input, "notebook_path") ?? textAt(input, "path");
  const about =
    textAt(input, "command") ??
    path ??
    textAt(input, "pattern") ??
    textAt(input, "url") ??
    agentTask(name, input);
  return {
    kind: KINDS[name] ?? "other",
    title: about === null ? name : `${name} ${about}`,
    locations: path === null ? [] : [{ path }],
    input,
    diffs: diffsOf(name, input, path),
  };
}

/** The text of a tool's result, which is a text or a list of blocks. */
export function toolResultText(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content
    .map((part: unknown) => {
      if (typeof part !== "object" || part === null) return "";
      const text: unknown = Reflect.get(part, "text");
      const type: unknown = Reflect.get(part, "type");
      return typeof text === "string" ? text : `[${typeof type === "string" ? type : "unknown"}]`;
    })
    .join("\n");
}
