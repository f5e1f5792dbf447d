import type { HookAgent } from "../events/hook-call.ts";
import { pickText } from "../events/payload-fields.ts";
import { createFileIntent, resolvePath } from "./file-intent.ts";
import type { HostFiles } from "./host-files.ts";
import { readPatchIntents } from "./read-patch-intents.ts";
import { readArgvIntents, readShellIntents } from "./read-shell-intents.ts";
import type { ToolIntent } from "./tool-intent.ts";

/** What a tool is: it does one thing to one path, runs a command, or applies a patch. */
type ToolForm = "read" | "write" | "delete" | "shell" | "patch";

const TOOLS: Readonly<Record<HookAgent, Readonly<Record<string, ToolForm>>>> = {
  claude: {
    Read: "read",
    NotebookRead: "read",
    Write: "write",
    Edit: "write",
    MultiEdit: "write",
    NotebookEdit: "write",
    Bash: "shell",
  },
  codex: {
    apply_patch: "patch",
    Bash: "shell",
    shell: "shell",
    local_shell: "shell",
    exec_command: "shell",
    unified_exec: "shell",
    shell_command: "shell",
    Edit: "patch",
    Write: "patch",
  },
  gemini: {
    read_file: "read",
    write_file: "write",
    replace: "write",
    edit: "write",
    run_shell_command: "shell",
  },
  cursor: {
    Read: "read",
    Write: "write",
    Edit: "write",
    StrReplace: "write",
    MultiEdit: "write",
    EditNotebook: "write",
    NotebookEdit: "write",
    TabWrite: "write",
    Delete: "delete",
    Shell: "shell",
    Bash: "shell",
    ApplyPatch: "patch",
  },
  opencode: {
    read: "read",
    write: "write",
    edit: "write",
    multiedit: "write",
    patch: "patch",
    apply_patch: "patch",
    bash: "shell",
    shell: "shell",
  },
};

const PATHS = [
  "file_path",
  "filePath",
  "notebook_path",
  "absolute_path",
  "target_file",
  "target_notebook",
  "path",
];
const FOLDERS = ["workdir", "working_directory", "directory", "dir_path", "cwd"];

/** A call of a tool, as an agent described it. */
export interface ToolUse {
  readonly tool: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly cwd: string;
}

/** What a call of one agent's tool is about to do. Tools of MCP servers, searches and whatever is not known have no intents. */
export function readToolIntents(agent: HookAgent, use: ToolUse, host: HostFiles): ToolIntent[] {
  const form = Object.hasOwn(TOOLS[agent], use.tool) ? TOOLS[agent][use.tool] : undefined;
  if (form === undefined) return [];
  if (form === "shell") return readCommand(use, host);
  if (form === "patch") {
    const text = pickText(use.input, ["command", "patchText", "patch", "input", "patch_text"]);
    return text === null ? [] : readPatchIntents(text, { cwd: use.cwd, detail: use.tool });
  }
  const path = pickText(use.input, PATHS);
  return path === null ? [] : [createFileIntent(form, path, { cwd: use.cwd, detail: use.tool })];
}

function readCommand(use: ToolUse, host: HostFiles): ToolIntent[] {
  const folder = pickText(use.input, FOLDERS);
  const place = { cwd: folder === null ? use.cwd : resolvePath(use.cwd, folder), host };
  const words = use.input["command"];
  if (Array.isArray(words) && words.every((word) => typeof word === "string"))
    return readArgvIntents(words, place);
  const command = pickText(use.input, ["command", "cmd"]);
  return command === null ? [] : readShellIntents(command, place);
}
