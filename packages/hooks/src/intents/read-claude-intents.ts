import { pickText } from "../events/payload-fields.ts";
import { createFileIntent } from "./file-intent.ts";
import type { ToolIntent } from "./tool-intent.ts";

const FILE_TOOLS: Readonly<Record<string, "read" | "write">> = {
  Read: "read",
  NotebookRead: "read",
  Write: "write",
  Edit: "write",
  MultiEdit: "write",
  NotebookEdit: "write",
};

const PATH_MEMBERS = ["file_path", "notebook_path", "path"];

/** What a tool of Claude Code is about to do. Tools of MCP servers, searches and the like have no intents. */
export function readClaudeIntents(
  tool: string,
  input: Readonly<Record<string, unknown>>,
  cwd: string,
): ToolIntent[] {
  const kind = Object.hasOwn(FILE_TOOLS, tool) ? FILE_TOOLS[tool] : undefined;
  if (kind === undefined) return [];
  const path = pickText(input, PATH_MEMBERS);
  return path === null ? [] : [createFileIntent(kind, path, { cwd, detail: tool })];
}
