import { CANOPY_VERSION, CanopyError } from "@canopy/protocol";
import type {
  AgentDriver,
  AgentMcpServer,
  AgentProbeSpec,
  AgentSession,
  AgentStartSpec,
} from "../agent-driver.ts";
import { isFoundAnywhere, probeCommand } from "../probe-command.ts";
import { openProcessParts } from "../session/open-process-parts.ts";
import type { SessionGraces } from "../session/process-session.ts";
import { startProcessSession } from "../session/start-process-session.ts";
import { createTaskEnvironment } from "../task-environment.ts";
import { CODEX_CAPABILITIES, CodexError, CodexLink } from "./codex-link.ts";
import { threadResultSchema } from "./codex-schema.ts";

/** How to run Codex. `args` go to `codex app-server`, such as `-c model_provider="local"`. */
export interface CodexDriverOptions {
  readonly name: string;
  readonly command: string;
  readonly args?: readonly string[];
  readonly graces?: Partial<SessionGraces>;
  readonly startMs?: number;
}

const DEFAULT_START_MS = 60_000;
/** Checks of a project may take minutes. */
const TOOL_LIMIT_S = 1_800;

function toServer(server: AgentMcpServer): object {
  const limits = { tool_timeout_sec: TOOL_LIMIT_S };
  if (server.type === "stdio")
    return { command: server.command, args: server.args, env: server.env, ...limits };
  return { url: server.url, http_headers: server.headers, ...limits };
}

/** Canopy's workspace is the sandbox, and its broker is asked for everything that is not known to be harmless. */
function threadParameters(spec: AgentStartSpec): object {
  const servers = Object.fromEntries(spec.mcpServers.map((server) => [server.name, toServer(server)]));
  return {
    cwd: spec.cwd,
    approvalPolicy: "untrusted",
    sandbox: "danger-full-access",
    ...(spec.model === null ? {} : { model: spec.model }),
    ...(spec.systemAppend === null ? {} : { developerInstructions: spec.systemAppend }),
    config: {
      ...(spec.mcpServers.length === 0 ? {} : { mcp_servers: servers }),
      ...(spec.secretNames === undefined ? {} : { "shell_environment_policy.exclude": spec.secretNames }),
    },
  };
}

async function openThread(link: CodexLink, label: string, spec: AgentStartSpec): Promise<string | null> {
  await link.request("initialize", {
    clientInfo: { name: "canopy", title: "Canopy", version: CANOPY_VERSION },
    capabilities: { experimentalApi: true },
  });
  await link.notify("initialized");
  const parameters = threadParameters(spec);
  let answer: unknown;
  try {
    answer =
      spec.resume === null
        ? await link.request("thread/start", parameters)
        : await link.request("thread/resume", { ...parameters, threadId: spec.resume.nativeSessionId });
  } catch (error) {
    if (!(error instanceof CodexError) || spec.resume === null) throw error;
    const text = `${label} could not resume session ${spec.resume.nativeSessionId}: ${error.message}`;
    throw new CanopyError("agent.failed", text, {
      hint: "Start a new session and give it the transcript.",
      data: { kind: "resume-refused" },
      cause: error,
    });
  }
  const parsed = threadResultSchema.safeParse(answer);
  if (!parsed.success) throw new CanopyError("agent.protocol", `${label} opened a thread without an id`);
  link.useThread(parsed.data.thread.id);
  return parsed.data.model ?? null;
}

async function startCodex(options: CodexDriverOptions, spec: AgentStartSpec): Promise<AgentSession> {
  if (spec.signal.aborted) throw new CanopyError("cancelled", `the start of ${options.name} was cancelled`);
  const env = { ...spec.env, ...createTaskEnvironment(spec.task) };
  const command = [options.command, "app-server", ...(options.args ?? [])] as const;
  const child = await spec.spawn(command, { cwd: spec.cwd, env });
  const shared = openProcessParts(child, { label: options.name, graces: options.graces ?? {} }, spec);
  const link = new CodexLink(shared);
  const parts = { ...shared, disconnect: () => link.disconnect() };
  let model: string | null = null;
  const open = async (): Promise<CodexLink> => {
    model = await openThread(link, options.name, spec);
    return link;
  };
  const startMs = options.startMs ?? DEFAULT_START_MS;
  const session = await startProcessSession(parts, { open, startMs, spec });
  if (model !== null) shared.writer.emit({ type: "model.changed", model });
  return session;
}

/** A driver for codex's app-server: approvals, exact results, one process a session. */
export function createCodexDriver(options: CodexDriverOptions): AgentDriver {
  const { name, command } = options;
  return {
    name,
    describe: () => ({
      kind: "codex",
      command: [command, "app-server", ...(options.args ?? [])].join(" "),
      program: isFoundAnywhere(command) ? command : null,
      capabilities: CODEX_CAPABILITIES,
      readsFiles: ["AGENTS.md"],
      // Its databases hold absolute paths: from another HOME it finds its sessions by their files alone.
      memory: [".codex/sessions"],
    }),
    probe: (spec: AgentProbeSpec) => probeCommand(command, ["--version"], spec),
    start: (spec: AgentStartSpec) => startCodex(options, spec),
  };
}
