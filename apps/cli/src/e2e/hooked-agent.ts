import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { TestHome } from "./open-test-home.ts";

/** Agents whose hooks a test plays. */
export type PlayedAgent = "claude" | "codex" | "gemini" | "cursor";

/** What a hook printed, parsed, with its exit code and how long it took. */
export interface HookResult {
  readonly code: number | null;
  readonly output: Readonly<Record<string, unknown>>;
  readonly stderr: string;
  readonly ms: number;
}

const BEFORE_TOOL = {
  claude: "PreToolUse",
  codex: "PreToolUse",
  gemini: "BeforeTool",
  cursor: "preToolUse",
} as const;
const AFTER_TOOL = {
  claude: "PostToolUse",
  codex: "PostToolUse",
  gemini: "AfterTool",
  cursor: "postToolUse",
} as const;

/**
 * An agent in a terminal, as far as its hooks go: a process of its own, and payloads in the form that the real one was
 * recorded with (shared/fixtures), handed to the command that the set-up writes.
 */
export class HookedAgent implements AsyncDisposable {
  readonly kind: PlayedAgent;
  readonly nativeId: string;
  readonly #home: TestHome;
  readonly #process: ChildProcess;
  cwd: string;
  #calls = 0;

  constructor(home: TestHome, kind: PlayedAgent, nativeId: string, cwd: string) {
    this.#home = home;
    this.kind = kind;
    this.nativeId = nativeId;
    this.cwd = cwd;
    this.#process = spawn("sleep", ["600"], { stdio: "ignore", env: { ...home.env } });
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  /** Environment of what this agent's shell tool runs. */
  get env(): Record<string, string> {
    if (this.kind === "claude")
      return { CLAUDE_CODE_SESSION_ID: this.nativeId, CLAUDE_PID: String(this.pid) };
    if (this.kind === "codex") return { CODEX_THREAD_ID: this.nativeId };
    return this.kind === "gemini" ? { GEMINI_SESSION_ID: this.nativeId } : { CANOPY_SESSION: this.nativeId };
  }

  /** Calls the hook of an event with fields added to what every payload of this agent has. */
  async hook(
    event: string,
    fields: Readonly<Record<string, unknown>> = {},
    env: Readonly<Record<string, string>> = {},
  ): Promise<HookResult> {
    const common =
      this.kind === "cursor"
        ? {
            conversation_id: this.nativeId,
            generation_id: "g",
            model: "m",
            workspace_roots: [this.cwd],
            cursor_version: "1.7",
          }
        : { session_id: this.nativeId, transcript_path: "/nowhere.jsonl", permission_mode: "default" };
    const payload = { ...common, cwd: this.cwd, hook_event_name: event, ...fields };
    const startedAt = performance.now();
    const child = spawn(
      "sh",
      [join(this.#home.canopyHome, "state", "hook", "canopy-hook"), this.kind, event],
      {
        cwd: this.cwd,
        env: { ...this.#home.env, CLAUDE_PID: String(this.pid), ...env },
        stdio: ["pipe", "pipe", "pipe"],
      },
    );
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.stdin.on("error", () => undefined);
    child.stdin.end(JSON.stringify(payload));
    const [code] = (await once(child, "close")) as [number | null];
    const output = stdout.trim() === "" ? {} : (JSON.parse(stdout) as Record<string, unknown>);
    return { code, output, stderr, ms: performance.now() - startedAt };
  }

  async start(source = "startup"): Promise<HookResult> {
    return await this.hook(this.kind === "cursor" ? "sessionStart" : "SessionStart", { source });
  }

  async prompt(text = "go on"): Promise<string> {
    const event = {
      claude: "UserPromptSubmit",
      codex: "UserPromptSubmit",
      gemini: "BeforeAgent",
      cursor: "beforeSubmitPrompt",
    }[this.kind];
    return contextOf(await this.hook(event, { prompt: text }));
  }

  /** Asks before a tool runs. */
  async before(
    tool: string,
    input: Readonly<Record<string, unknown>>,
    env: Readonly<Record<string, string>> = {},
  ): Promise<HookResult> {
    this.#calls += 1;
    return await this.hook(
      BEFORE_TOOL[this.kind],
      { tool_name: tool, tool_input: input, tool_use_id: `call-${this.#calls}` },
      env,
    );
  }

  async after(tool: string, input: Readonly<Record<string, unknown>>): Promise<HookResult> {
    return await this.hook(AFTER_TOOL[this.kind], {
      tool_name: tool,
      tool_input: input,
      tool_use_id: `call-${this.#calls}`,
      tool_response: { ok: true },
    });
  }

  /** Asks before this agent's own edit tool changes a file; null when it may, else why not. */
  async edit(path: string): Promise<string | null> {
    const absolute = path.startsWith("/") ? path : join(this.cwd, path);
    const [tool, input] = {
      claude: ["Edit", { file_path: absolute, old_string: "a", new_string: "b" }],
      codex: [
        "apply_patch",
        { command: `*** Begin Patch\n*** Update File: ${path}\n@@\n-a\n+b\n*** End Patch` },
      ],
      gemini: ["write_file", { file_path: absolute, content: "b" }],
      cursor: ["Write", { file_path: absolute, content: "b" }],
    }[this.kind] as [string, Record<string, unknown>];
    return refusalOf(await this.before(tool, input));
  }

  /** Asks before this agent's shell runs a command. */
  async shell(command: string): Promise<string | null> {
    const tool = { claude: "Bash", codex: "Bash", gemini: "run_shell_command", cursor: "Shell" }[this.kind];
    return refusalOf(await this.before(tool, { command }));
  }

  /** Ends the agent's process without a word. */
  async kill(): Promise<void> {
    const gone = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) await this.kill();
  }
}

function specific(result: HookResult): Readonly<Record<string, unknown>> {
  const inner = result.output["hookSpecificOutput"];
  return typeof inner === "object" && inner !== null ? (inner as Record<string, unknown>) : {};
}

/** What the model is told by a hook's answer; empty for nothing. */
export function contextOf(result: HookResult): string {
  const text = specific(result)["additionalContext"] ?? result.output["additional_context"] ?? "";
  return typeof text === "string" ? text : "";
}

/** Why a tool may not run, as the model reads it; null when it may. */
export function refusalOf(result: HookResult): string | null {
  const { output } = result;
  const inner = specific(result);
  if (inner["permissionDecision"] === "deny") return text(inner["permissionDecisionReason"]);
  if (output["decision"] === "deny" || output["decision"] === "block") return text(output["reason"]);
  if (output["permission"] === "deny") return text(output["agent_message"] ?? output["user_message"]);
  return null;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
