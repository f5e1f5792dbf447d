import { clientCommand } from "./client-command.ts";
import type { JsonEntry } from "./insert-json.ts";
import { isAtLeast } from "./setup-request.ts";
import type { SetupRequest } from "./setup-request.ts";

/** One event that is hooked, with a matcher where the event has tools. */
interface HookedEvent {
  readonly name: string;
  readonly matcher?: string;
  /** Seconds. */
  readonly timeout?: number;
  /** The first version that knows it; older ones get no such entry. */
  readonly since?: string;
  readonly isCommandOnly?: boolean;
}

const WRITERS = "Write|Edit|MultiEdit|NotebookEdit|Bash";
const TIMEOUT = 5;
const HTTP_HOOKS_SINCE = "2.1.63";

const CLAUDE: readonly HookedEvent[] = [
  { name: "SessionStart", isCommandOnly: true },
  { name: "UserPromptSubmit" },
  { name: "PreToolUse", matcher: WRITERS },
  { name: "PostToolUse", matcher: `Read|${WRITERS}` },
  { name: "PostToolUseFailure", matcher: WRITERS, since: HTTP_HOOKS_SINCE },
  { name: "PostToolBatch", since: "2.1.150" },
  { name: "SubagentStart", since: HTTP_HOOKS_SINCE },
  { name: "SubagentStop" },
  { name: "CwdChanged", since: "2.1.150" },
  { name: "Notification" },
  { name: "PreCompact" },
  { name: "Stop" },
  // All hooks together have 1.5 s then.
  { name: "SessionEnd", timeout: 1 },
];

const CODEX: readonly HookedEvent[] = [
  { name: "SessionStart" },
  { name: "UserPromptSubmit" },
  { name: "PreToolUse", matcher: "^(Bash|apply_patch)$" },
  { name: "PostToolUse", matcher: "^(Bash|apply_patch)$" },
  { name: "SubagentStart" },
  { name: "SubagentStop" },
  { name: "PreCompact" },
  { name: "PostCompact" },
  { name: "Stop" },
  { name: "Interrupt", timeout: 2, since: "0.169.0" },
  { name: "SessionEnd", timeout: 2 },
];

const GEMINI: readonly HookedEvent[] = [
  { name: "SessionStart" },
  { name: "BeforeAgent" },
  { name: "BeforeTool", matcher: "^(write_file|replace|run_shell_command)$" },
  { name: "AfterTool", matcher: "^(read_file|write_file|replace|run_shell_command)$" },
  { name: "PreCompress", matcher: "manual" },
  { name: "Notification" },
  { name: "AfterAgent" },
  { name: "SessionEnd" },
];

const CURSOR: readonly HookedEvent[] = [
  { name: "sessionStart" },
  { name: "beforeSubmitPrompt" },
  {
    name: "preToolUse",
    matcher: "Write|Edit|StrReplace|MultiEdit|EditNotebook|TabWrite|ApplyPatch|Delete|Shell",
  },
  {
    name: "postToolUse",
    matcher: "Read|Write|Edit|StrReplace|MultiEdit|EditNotebook|TabWrite|ApplyPatch|Delete|Shell",
  },
  {
    name: "postToolUseFailure",
    matcher: "Write|Edit|StrReplace|MultiEdit|EditNotebook|TabWrite|ApplyPatch|Delete|Shell",
  },
  { name: "subagentStart" },
  { name: "subagentStop" },
  { name: "preCompact" },
  { name: "stop" },
  { name: "sessionEnd" },
];

function withMatcher(event: HookedEvent, handler: object): object {
  const hooks = [handler];
  return event.matcher === undefined ? { hooks } : { matcher: event.matcher, hooks };
}

function toClaude(request: SetupRequest, event: HookedEvent): object {
  const timeout = event.timeout ?? TIMEOUT;
  const canHttp = request.scope === "user" && isAtLeast(request.agentVersion, HTTP_HOOKS_SINCE);
  if (request.http === null || event.isCommandOnly === true || !canHttp)
    return withMatcher(event, { type: "command", command: clientCommand(request, event.name), timeout });
  return withMatcher(event, {
    type: "http",
    url: `${request.http.url}/hooks/claude?event=${event.name}&by=canopy`,
    headers: { Authorization: `Bearer ${request.http.token}` },
    timeout,
  });
}

function toCodex(request: SetupRequest, event: HookedEvent): object {
  const command = clientCommand(request, event.name);
  return withMatcher(event, { type: "command", command, timeout: event.timeout ?? TIMEOUT });
}

function toGemini(request: SetupRequest, event: HookedEvent): object {
  const command = clientCommand(request, event.name);
  return withMatcher(event, { name: "canopy", type: "command", command, timeout: TIMEOUT * 1000 });
}

function toCursor(request: SetupRequest, event: HookedEvent): object {
  const command = clientCommand(request, event.name);
  const handler = { command, timeout: TIMEOUT };
  return event.matcher === undefined ? handler : { ...handler, matcher: event.matcher };
}

const TABLES = {
  claude: { events: CLAUDE, toValue: toClaude },
  codex: { events: CODEX, toValue: toCodex },
  gemini: { events: GEMINI, toValue: toGemini },
  cursor: { events: CURSOR, toValue: toCursor },
} as const;

/** The hooks that one agent's configuration should have, each an element of a list below `hooks`. */
export function listAgentHooks(request: SetupRequest & { readonly agent: keyof typeof TABLES }): JsonEntry[] {
  const { events, toValue } = TABLES[request.agent];
  return events
    .filter((event) => event.since === undefined || isAtLeast(request.agentVersion, event.since))
    .map((event) => ({
      kind: "element",
      names: ["hooks", event.name],
      value: toValue(request, event),
    }));
}
