import { join } from "node:path";
import type { Json } from "@canopy/protocol";
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
import type { ProcessDriverOptions } from "../session/process-driver-options.ts";
import type { ProcessParts } from "../session/process-session.ts";
import { askProcess } from "../session/ask-process.ts";
import { createBlankSpec, prepareProcess } from "../session/prepare-process.ts";
import { startProcessSession } from "../session/start-process-session.ts";
import { createTaskEnvironment } from "../task-environment.ts";
import { OPENCODE_CAPABILITIES, OpenCodeLink } from "./opencode-link.ts";

/** How to run OpenCode. `args` come before `serve`. */
export type OpenCodeDriverOptions = ProcessDriverOptions;

const DEFAULT_START_MS = 120_000;
/** Checks of a project may take minutes; by itself it waits for one. */
const TOOL_LIMIT_MS = 1_800_000;
const BRIDGE = join(import.meta.dirname, "server-bridge.ts");
/** Nothing is fetched at start, nothing is written into the repository. */
const OWN_ENV = {
  OPENCODE_DISABLE_MODELS_FETCH: "1",
  OPENCODE_DISABLE_AUTOUPDATE: "1",
  OPENCODE_DISABLE_LSP_DOWNLOAD: "1",
  npm_config_offline: "true",
};
const CONFIG = "OPENCODE_CONFIG_CONTENT";

function toServer(server: AgentMcpServer): Readonly<Record<string, Json>> {
  if (server.type === "http")
    return { type: "remote", url: server.url, headers: { ...server.headers }, enabled: true, oauth: false };
  return {
    type: "local",
    command: [server.command, ...server.args],
    environment: { ...server.env },
    enabled: true,
  };
}

function readConfig(text: string | undefined): Record<string, unknown> {
  if (text === undefined) return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    throw new CanopyError("config.invalid", `${CONFIG} is not valid JSON`);
  }
}

/** Canopy's broker is asked for what changes something, unless the person's own configuration says otherwise. */
function createConfig(spec: AgentStartSpec): string {
  const given = readConfig(spec.env[CONFIG]);
  const own = Object.fromEntries(spec.mcpServers.map((server) => [server.name, toServer(server)]));
  const mcp: unknown = given["mcp"];
  return JSON.stringify({
    share: "disabled",
    autoupdate: false,
    permission: { edit: "ask", bash: "ask", webfetch: "ask" },
    experimental: { mcp_timeout: TOOL_LIMIT_MS },
    ...given,
    mcp: { ...(typeof mcp === "object" && mcp !== null ? mcp : {}), ...own },
  });
}

interface Launched {
  readonly link: OpenCodeLink;
  readonly parts: ProcessParts;
  readonly startMs: number;
}

async function launch(options: OpenCodeDriverOptions, spec: AgentStartSpec): Promise<Launched> {
  if (spec.signal.aborted) throw new CanopyError("cancelled", `the start of ${options.name} was cancelled`);
  const env = { ...OWN_ENV, ...spec.env, [CONFIG]: createConfig(spec), ...createTaskEnvironment(spec.task) };
  const events = `/event?directory=${encodeURIComponent(spec.cwd)}`;
  const command = [
    process.execPath,
    "--no-warnings",
    BRIDGE,
    events,
    options.command,
    ...(options.args ?? []),
  ] as const;
  const child = await spec.spawn(command, { cwd: spec.cwd, env });
  const shared = openProcessParts(child, { label: options.name, graces: options.graces ?? {} }, spec);
  const link = new OpenCodeLink(shared, spec);
  const parts = { ...shared, disconnect: () => link.disconnect() };
  return { link, parts, startMs: options.startMs ?? DEFAULT_START_MS };
}

async function startOpenCode(options: OpenCodeDriverOptions, spec: AgentStartSpec): Promise<AgentSession> {
  const { link, parts, startMs } = await launch(options, spec);
  const open = async (): Promise<OpenCodeLink> => {
    await link.open(spec);
    return link;
  };
  return startProcessSession(parts, { open, startMs, spec });
}

async function prepareOpenCode(
  options: OpenCodeDriverOptions,
  early: AgentPrepareSpec,
): Promise<PreparedAgent> {
  const { link, parts, startMs } = await launch(options, createBlankSpec(early));
  const open = async (spec: AgentStartSpec): Promise<OpenCodeLink> => {
    for (const server of spec.mcpServers) await link.addTools(server.name, toServer(server));
    await link.open(spec);
    return link;
  };
  return prepareProcess(parts, early, {
    greet: () => link.warmUp(),
    startMs,
    open: (spec) => startProcessSession(parts, { open: () => open(spec), startMs, spec }),
  });
}

/**
 * A driver for OpenCode's server: system text with every prompt, exact errors, questions, and what sessions below ask for. One
 * server a session: each workspace has namespaces of its own, which no server of another can see.
 */
export function createOpenCodeDriver(options: OpenCodeDriverOptions): AgentDriver {
  const { name, command } = options;
  return {
    name,
    describe: () => ({
      kind: "opencode",
      command: [command, ...(options.args ?? []), "serve"].join(" "),
      program: isFoundAnywhere(command) ? command : null,
      capabilities: OPENCODE_CAPABILITIES,
      readsFiles: ["AGENTS.md", "CLAUDE.md"],
      memory: [".local/share/opencode"],
    }),
    probe: (spec: AgentProbeSpec) => probeCommand(command, ["--version"], spec),
    start: (spec: AgentStartSpec) => startOpenCode(options, spec),
    prepare: (spec: AgentPrepareSpec) => prepareOpenCode(options, spec),
    listModels: async (spec: AgentPrepareSpec) => {
      const { link, parts, startMs } = await launch(options, createBlankSpec(spec));
      return await askProcess(parts, { ask: () => link.listModels(), startMs, spec });
    },
  };
}
