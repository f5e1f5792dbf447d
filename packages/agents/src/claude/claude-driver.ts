import { randomUUID } from "node:crypto";
import { CanopyError } from "@canopy/protocol";
import type {
  AgentDriver,
  AgentMcpServer,
  AgentPrepareSpec,
  AgentProbeSpec,
  AgentSession,
  AgentStartSpec,
  PreparedAgent,
} from "../agent-driver.ts";
import { isFoundAnywhere, probeCommand } from "../probe-command.ts";
import { openProcessParts } from "../session/open-process-parts.ts";
import { createBlankSpec, prepareProcess } from "../session/prepare-process.ts";
import { askProcess } from "../session/ask-process.ts";
import { startProcessSession } from "../session/start-process-session.ts";
import { createTaskEnvironment } from "../task-environment.ts";
import type { ProcessDriverOptions } from "../session/process-driver-options.ts";
import type { ProcessParts } from "../session/process-session.ts";
import { CLAUDE_CAPABILITIES, ClaudeLink } from "./claude-link.ts";
import { listClaudeModels } from "./list-claude-models.ts";

/** How to run Claude Code. `args` come after those that Canopy needs. */
export type ClaudeDriverOptions = ProcessDriverOptions;

const DEFAULT_START_MS = 60_000;
const OWN_ENV = {
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
  // It says when it rests, which the end of an answer does not.
  CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS: "1",
  ENABLE_TOOL_SEARCH: "false",
};

const FIXED_ARGUMENTS = (
  "--print --verbose --input-format stream-json --output-format stream-json " +
  "--include-partial-messages --permission-prompt-tool stdio"
).split(" ");

function toServer(server: AgentMcpServer): object {
  if (server.type === "http") return { type: "http", url: server.url, headers: server.headers };
  return { type: "stdio", command: server.command, args: server.args, env: server.env };
}

function conversationArguments(resume: AgentStartSpec["resume"], sessionId: string): string[] {
  if (resume === null) return ["--session-id", sessionId];
  if (resume.asFork !== true) return ["--resume", sessionId];
  return ["--resume", resume.nativeSessionId, "--fork-session", "--session-id", sessionId];
}

function argumentsFor(spec: AgentStartSpec, sessionId: string): string[] {
  const servers = Object.fromEntries(spec.mcpServers.map((server) => [server.name, toServer(server)]));
  return [
    ...FIXED_ARGUMENTS,
    ...conversationArguments(spec.resume, sessionId),
    ...(spec.model === null ? [] : ["--model", spec.model]),
    ...(spec.mcpServers.length === 0 ? [] : ["--mcp-config", JSON.stringify({ mcpServers: servers })]),
  ];
}

interface Launched {
  readonly link: ClaudeLink;
  readonly parts: ProcessParts;
  readonly startMs: number;
}

async function launch(options: ClaudeDriverOptions, spec: AgentStartSpec): Promise<Launched> {
  if (spec.signal.aborted) throw new CanopyError("cancelled", `the start of ${options.name} was cancelled`);
  const isOwn = spec.resume === null || spec.resume.asFork === true;
  const sessionId = isOwn ? randomUUID() : (spec.resume?.nativeSessionId ?? "");
  const env = { ...OWN_ENV, ...spec.env, ...createTaskEnvironment(spec.task) };
  const command = [options.command, ...argumentsFor(spec, sessionId), ...(options.args ?? [])] as const;
  const child = await spec.spawn(command, { cwd: spec.cwd, env });
  const shared = openProcessParts(child, { label: options.name, graces: options.graces ?? {} }, spec);
  const link = new ClaudeLink(shared, sessionId);
  const parts = { ...shared, disconnect: () => link.disconnect() };
  return { link, parts, startMs: options.startMs ?? DEFAULT_START_MS };
}

async function initialize(
  link: ClaudeLink,
  { systemAppend }: Pick<AgentStartSpec, "systemAppend">,
): Promise<unknown> {
  const system = systemAppend === null ? {} : { appendSystemPrompt: systemAppend };
  return await link.control({ subtype: "initialize", ...system });
}

async function startClaude(options: ClaudeDriverOptions, spec: AgentStartSpec): Promise<AgentSession> {
  const { link, parts, startMs } = await launch(options, spec);
  const open = async (): Promise<ClaudeLink> => {
    await initialize(link, spec);
    return link;
  };
  return startProcessSession(parts, { open, startMs, spec });
}

/** It reads nothing before it is told its system text, so that there is nothing to wait for here. */
async function prepareClaude(options: ClaudeDriverOptions, early: AgentPrepareSpec): Promise<PreparedAgent> {
  const { link, parts, startMs } = await launch(options, createBlankSpec(early));
  const open = async (spec: AgentStartSpec): Promise<ClaudeLink> => {
    await initialize(link, spec);
    const servers = spec.mcpServers.map((server) => [server.name, toServer(server)]);
    if (servers.length > 0)
      await link.control({ subtype: "mcp_set_servers", servers: Object.fromEntries(servers) });
    return link;
  };
  return prepareProcess(parts, early, {
    greet: () => Promise.resolve(),
    startMs,
    open: (spec) => startProcessSession(parts, { open: () => open(spec), startMs, spec }),
  });
}

/** A driver for Claude Code's own protocol: exact results, permissions and questions, one process a session. */
export function createClaudeDriver(options: ClaudeDriverOptions): AgentDriver {
  const { name, command } = options;
  return {
    name,
    describe: () => ({
      kind: "claude",
      command: [command, ...(options.args ?? [])].join(" "),
      program: isFoundAnywhere(command) ? command : null,
      capabilities: CLAUDE_CAPABILITIES,
      readsFiles: ["CLAUDE.md"],
      memory: [".claude", ".claude.json"],
    }),
    probe: (spec: AgentProbeSpec) => probeCommand(command, ["--version"], spec),
    start: (spec: AgentStartSpec) => startClaude(options, spec),
    prepare: (spec: AgentPrepareSpec) => prepareClaude(options, spec),
    listModels: async (spec: AgentPrepareSpec) => {
      const { link, parts, startMs } = await launch(options, createBlankSpec({ ...spec, model: null }));
      const ask = async (): Promise<unknown> => initialize(link, { systemAppend: null });
      return listClaudeModels(await askProcess(parts, { ask, startMs, spec }), spec.env);
    },
  };
}
