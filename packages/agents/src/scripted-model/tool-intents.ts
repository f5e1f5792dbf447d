import type { OfferedTool } from "./model-api.ts";

/** A tool call in the words of the agent that asked. */
export interface MappedCall {
  readonly name: string;
  readonly namespace: string | null;
  readonly args: Readonly<Record<string, unknown>>;
  readonly input: string | null;
}

type Args = Readonly<Record<string, unknown>>;

/** The first of the candidate tools that the request offers. */
function pick(tools: readonly OfferedTool[], names: readonly string[]): OfferedTool | null {
  for (const name of names) {
    const found = tools.find((tool) => tool.name === name);
    if (found !== undefined) return found;
  }
  return null;
}

function pickParameter(tool: OfferedTool, names: readonly string[]): string {
  return names.find((name) => tool.parameters.includes(name)) ?? names[0] ?? "";
}

const SHELLS = ["Bash", "bash", "run_shell_command", "exec_command", "shell_command", "shell"];
const PATHS = ["file_path", "filePath", "path", "absolute_path"];

function call(tool: OfferedTool, args: Args): MappedCall {
  return { name: tool.name, namespace: tool.namespace, args, input: null };
}

function verbatim(name: string, args: Args): MappedCall {
  return { name, namespace: null, args, input: null };
}

function shellCall(tools: readonly OfferedTool[], command: string): MappedCall {
  const tool = pick(tools, SHELLS);
  if (tool === null) return verbatim("bash", { command });
  const parameter = pickParameter(tool, ["command", "cmd"]);
  const value = tool.name === "shell" ? ["bash", "-lc", command] : command;
  const description = tool.parameters.includes("description") ? { description: "scripted" } : {};
  return call(tool, { [parameter]: value, ...description });
}

function textOf(args: Args, name: string): string {
  const value = args[name];
  return typeof value === "string" ? value : "";
}

function writeCall(tools: readonly OfferedTool[], args: Args): MappedCall {
  const tool = pick(tools, ["Write", "write", "write_file"]);
  const content = textOf(args, "content");
  const path = textOf(args, "path");
  if (tool !== null) return call(tool, { [pickParameter(tool, PATHS)]: path, content });
  const end = content.endsWith("\n") ? "" : "\n";
  return shellCall(tools, `cat > '${path}' <<'CANOPY_EOF'\n${content}${end}CANOPY_EOF`);
}

function readCall(tools: readonly OfferedTool[], args: Args): MappedCall {
  const tool = pick(tools, ["Read", "read", "read_file"]);
  const path = textOf(args, "path");
  return tool === null
    ? shellCall(tools, `cat '${path}'`)
    : call(tool, { [pickParameter(tool, PATHS)]: path });
}

function editCall(tools: readonly OfferedTool[], args: Args): MappedCall {
  const tool = pick(tools, ["Edit", "edit", "replace"]);
  const [path, before, after] = [textOf(args, "path"), textOf(args, "before"), textOf(args, "after")];
  if (tool !== null) {
    return call(tool, {
      [pickParameter(tool, PATHS)]: path,
      [pickParameter(tool, ["old_string", "oldString"])]: before,
      [pickParameter(tool, ["new_string", "newString"])]: after,
      ...(tool.parameters.includes("instruction") ? { instruction: "scripted" } : {}),
    });
  }
  const lines = (text: string, mark: string): string =>
    text
      .replace(/\n$/, "")
      .split("\n")
      .map((line) => `${mark}${line}`)
      .join("\n");
  const patch = `*** Begin Patch\n*** Update File: ${path}\n@@\n${lines(before, "-")}\n${lines(after, "+")}\n*** End Patch\n`;
  const patcher = tools.find((offered) => offered.name === "apply_patch");
  if (patcher?.isCustom === true) return { ...call(patcher, {}), input: patch };
  return shellCall(tools, `apply_patch <<'CANOPY_EOF'\n${patch}CANOPY_EOF`);
}

function askCall(tools: readonly OfferedTool[], args: Args): MappedCall {
  const question = textOf(args, "question");
  const options = ["yes", "no"].map((label) => ({ label, description: label }));
  const tool = pick(tools, ["AskUserQuestion", "question", "request_user_input", "ask_user"]);
  const asked = { id: "q1", question, header: "Scripted", type: "choice", options, multiSelect: false };
  return tool === null
    ? verbatim("AskUserQuestion", { questions: [asked] })
    : call(tool, { questions: [asked] });
}

/** `mcp:SERVER:TOOL`: every agent names the tools of a server in its own way. */
function serverCall(tools: readonly OfferedTool[], server: string, toolName: string, args: Args): MappedCall {
  const offered = tools.find(
    (tool) =>
      tool.name.endsWith(toolName) && (tool.name.includes(server) || tool.namespace?.includes(server)),
  );
  if (offered !== undefined) return call(offered, args);
  const usesNamespaces = tools.some((tool) => tool.name === "exec_command");
  return usesNamespaces
    ? { name: toolName, namespace: `mcp__${server}`, args, input: null }
    : verbatim(`mcp__${server}__${toolName}`, args);
}

/**
 * Puts what a script wants into the words of the tools that the agent offers. `write {path, content}`, `read {path}`,
 * `edit {path, before, after}`, `bash {command}`, `ask {question}` and `mcp:SERVER:TOOL`; other names go as they are.
 */
export function mapToolCall(tools: readonly OfferedTool[], intent: string, args: Args): MappedCall {
  if (intent === "write") return writeCall(tools, args);
  if (intent === "read") return readCall(tools, args);
  if (intent === "edit") return editCall(tools, args);
  if (intent === "bash") return shellCall(tools, textOf(args, "command"));
  if (intent === "ask") return askCall(tools, args);
  const [prefix, server, tool] = intent.split(":");
  if (prefix === "mcp" && server !== undefined && tool !== undefined)
    return serverCall(tools, server, tool, args);
  const offered = tools.find((candidate) => candidate.name === intent);
  return offered === undefined ? verbatim(intent, args) : call(offered, args);
}
