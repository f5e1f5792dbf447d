import { CANOPY_VERSION, CanopyError } from "@canopy/protocol";
import type {
  AgentDriver,
  AgentMcpServer,
  AgentModels,
  AgentPrepareSpec,
  AgentProbeSpec,
  AgentSession,
  AgentStartSpec,
  PreparedAgent,
} from "../agent-driver.ts";
import { isFoundAnywhere, probeCommand } from "../probe-command.ts";
import { openProcessParts } from "../session/open-process-parts.ts";
import type { ProcessDriverOptions } from "../session/process-driver-options.ts";
import type { ProcessParts } from "../session/process-session.ts";
import { askProcess } from "../session/ask-process.ts";
import { createBlankSpec, prepareProcess } from "../session/prepare-process.ts";
import { startProcessSession } from "../session/start-process-session.ts";
import { createTaskEnvironment } from "../task-environment.ts";
import { CODEX_CAPABILITIES, CodexError, CodexLink } from "./codex-link.ts";
import { threadResultSchema } from "./codex-schema.ts";
import { planCodexKey } from "./plan-codex-key.ts";
import { listCodexModels } from "./list-codex-models.ts";

/** How to run Codex. `args` go to `codex app-server`, such as `-c model_provider="local"`. */
export type CodexDriverOptions = ProcessDriverOptions;

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

async function greet(link: CodexLink, key: string | null): Promise<void> {
  await link.request("initialize", {
    clientInfo: { name: "canopy", title: "Canopy", version: CANOPY_VERSION },
    capabilities: { experimentalApi: true },
  });
  await link.notify("initialized");
  if (key !== null) await link.request("account/login/start", { type: "apiKey", apiKey: key });
}

function threadRequest(resume: AgentStartSpec["resume"], parameters: object): [string, object] {
  if (resume === null) return ["thread/start", parameters];
  const method = resume.asFork === true ? "thread/fork" : "thread/resume";
  return [method, { ...parameters, threadId: resume.nativeSessionId }];
}

async function openThread(link: CodexLink, label: string, spec: AgentStartSpec): Promise<string | null> {
  const parameters = threadParameters(spec);
  let answer: unknown;
  try {
    answer = await link.request(...threadRequest(spec.resume, parameters));
  } catch (error) {
    if (!(error instanceof CodexError) || spec.resume === null) throw error;
    const verb = spec.resume.asFork === true ? "fork" : "resume";
    const text = `${label} could not ${verb} session ${spec.resume.nativeSessionId}: ${error.message}`;
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

interface Launched {
  readonly link: CodexLink;
  readonly parts: ProcessParts;
  readonly startMs: number;
  readonly label: string;
  readonly key: string | null;
}

async function launch(options: CodexDriverOptions, spec: AgentStartSpec): Promise<Launched> {
  if (spec.signal.aborted) throw new CanopyError("cancelled", `the start of ${options.name} was cancelled`);
  const { args = [] } = options;
  const plan = planCodexKey(spec, args);
  const env = { ...plan.env, ...createTaskEnvironment(spec.task) };
  const command = [options.command, "app-server", ...plan.args, ...args] as const;
  const child = await spec.spawn(command, { cwd: spec.cwd, env });
  const shared = openProcessParts(child, { label: options.name, graces: options.graces ?? {} }, spec);
  const link = new CodexLink(shared);
  const parts = { ...shared, disconnect: () => link.disconnect() };
  const { key } = plan;
  return { link, parts, startMs: options.startMs ?? DEFAULT_START_MS, label: options.name, key };
}

async function openSession(
  { link, parts, startMs, label }: Launched,
  spec: AgentStartSpec,
  before: () => Promise<void>,
): Promise<AgentSession> {
  let model: string | null = null;
  const open = async (): Promise<CodexLink> => {
    await before();
    model = await openThread(link, label, spec);
    return link;
  };
  const session = await startProcessSession(parts, { open, startMs, spec });
  if (model !== null) parts.writer.emit({ type: "model.changed", model });
  return session;
}

async function startCodex(options: CodexDriverOptions, spec: AgentStartSpec): Promise<AgentSession> {
  const launched = await launch(options, spec);
  return openSession(launched, spec, () => greet(launched.link, launched.key));
}

async function prepareCodex(options: CodexDriverOptions, early: AgentPrepareSpec): Promise<PreparedAgent> {
  const launched = await launch(options, createBlankSpec(early));
  return prepareProcess(launched.parts, early, {
    greet: () => greet(launched.link, launched.key),
    startMs: launched.startMs,
    open: (spec) => openSession(launched, spec, () => Promise.resolve()),
  });
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
    prepare: (spec: AgentPrepareSpec) => prepareCodex(options, spec),
    listModels: async (spec: AgentPrepareSpec) => {
      const { link, parts, startMs, key } = await launch(options, createBlankSpec(spec));
      const ask = async (): Promise<AgentModels | null> => {
        await greet(link, key);
        return await listCodexModels(link, spec.cwd);
      };
      return await askProcess(parts, { ask, startMs, spec });
    },
  };
}
