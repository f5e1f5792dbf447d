import { CANOPY_VERSION, CanopyError } from "@canopy/protocol";
import type { AgentCapabilities, AgentMcpServer, AgentStartSpec } from "../agent-driver.ts";
import { createPreamble } from "../create-preamble.ts";
import { judgeModel } from "../judge-model.ts";
import { initializeResultSchema, sessionResultSchema } from "./acp-schema.ts";
import { readRpcError } from "../session/read-rpc-error.ts";
import { findModelOption, listAcpModels } from "./acp-models.ts";
import type { InitializeResult, SessionResult } from "./acp-schema.ts";

const PROTOCOL_VERSION = 1;
const AUTH_REQUIRED = -32_000;
/** These read `_meta.systemPrompt`; ACP v1 itself has no field for it. */
const SYSTEM_PROMPT_AGENTS = new Set([
  "@agentclientprotocol/claude-agent-acp",
  "@zed-industries/claude-code-acp",
]);

/** Sends one request and resolves with the raw result. */
export type SendRequest = (method: string, params: unknown) => Promise<unknown>;

/** Which way of logging in to use when the agent demands one, and the variable that makes it work without a person. */
export interface AcpAuthentication {
  readonly methodId: string;
  /** The variable that must have its key; null when what it needs lies in HOME. */
  readonly variable: string | null;
}

/** What the handshake needs to know. */
export interface HandshakeOptions {
  readonly label: string;
  readonly authentication: AcpAuthentication | null;
  readonly spec: AgentStartSpec;
  readonly notice: (text: string) => void;
  /** What is known of this agent better than it says itself. */
  readonly measured?: Partial<AgentCapabilities>;
}

/** An open ACP session. */
export interface OpenedAcpSession {
  readonly sessionId: string;
  readonly settings: SessionResult;
  readonly capabilities: AgentCapabilities;
  /** Text that must go in front of the first prompt, when the agent has no system prompt field. */
  readonly preamble: string | null;
}

function toCapabilities(
  init: InitializeResult,
  settings: SessionResult,
  measured: Partial<AgentCapabilities>,
): AgentCapabilities {
  const caps = init.agentCapabilities;
  const hasSystemPrompt = SYSTEM_PROMPT_AGENTS.has(init.agentInfo?.name ?? "");
  return {
    steer: "emulated",
    queue: "emulated",
    resume: caps.loadSession || caps.sessionCapabilities?.resume !== undefined ? true : "emulated",
    fork: caps.sessionCapabilities?.fork === undefined ? "emulated" : true,
    images: caps.promptCapabilities.image ? true : "emulated",
    systemAppend: hasSystemPrompt ? true : "emulated",
    mcpHttp: caps.mcpCapabilities.http ? true : "emulated",
    modelList: findModelOption(settings) !== null || (settings.models?.availableModels.length ?? 0) > 0,
    cost: true,
    refusal: true,
    diff: true,
    ...measured,
  };
}

function toAcpServer(server: AgentMcpServer): unknown {
  const toPairs = (record: Readonly<Record<string, string>>): { name: string; value: string }[] =>
    Object.entries(record).map(([name, value]) => ({ name, value }));
  if (server.type === "http") {
    return { type: "http", name: server.name, url: server.url, headers: toPairs(server.headers) };
  }
  return { name: server.name, command: server.command, args: [...server.args], env: toPairs(server.env) };
}

function usableServers(init: InitializeResult, options: HandshakeOptions): unknown[] {
  const canHttp = init.agentCapabilities.mcpCapabilities.http;
  return options.spec.mcpServers
    .filter((server) => {
      const isUsable = server.type === "stdio" || canHttp;
      if (!isUsable)
        options.notice(
          `${options.label} cannot use the tool server ${server.name}: it takes no HTTP servers`,
        );
      return isUsable;
    })
    .map(toAcpServer);
}

async function authenticate(
  send: SendRequest,
  init: InitializeResult,
  options: HandshakeOptions,
): Promise<void> {
  const { authentication, label, spec } = options;
  const isOffered = init.authMethods.some((method) => method.id === authentication?.methodId);
  const variable = authentication?.variable ?? null;
  const hasKey = variable === null || (spec.env[variable] ?? "") !== "";
  if (authentication !== null && isOffered && hasKey) {
    await send("authenticate", { methodId: authentication.methodId });
    return;
  }
  const offered = init.authMethods.map(
    (method) => `${method.name === "" ? method.id : method.name} (${method.id})`,
  );
  throw new CanopyError(
    "agent.failed",
    `${label} wants you to log in: ${offered.join(", ") || "it names no method"}`,
    {
      hint: "Log in once with the agent's own program, or name its key in the agent's `env` list.",
      data: { kind: "authentication", methods: init.authMethods.map((method) => method.id) },
    },
  );
}

async function withAuthentication(
  send: SendRequest,
  init: InitializeResult,
  options: HandshakeOptions,
  request: () => Promise<unknown>,
): Promise<unknown> {
  try {
    return await request();
  } catch (error) {
    if (readRpcError(error)?.code !== AUTH_REQUIRED) throw error;
    await authenticate(send, init, options);
    return request();
  }
}

async function openNew(
  send: SendRequest,
  init: InitializeResult,
  options: HandshakeOptions,
): Promise<{ sessionId: string; settings: SessionResult }> {
  const { spec, label } = options;
  const hasSystemPrompt = SYSTEM_PROMPT_AGENTS.has(init.agentInfo?.name ?? "");
  const meta =
    spec.systemAppend !== null && hasSystemPrompt
      ? { _meta: { systemPrompt: { append: spec.systemAppend } } }
      : {};
  const params = { cwd: spec.cwd, mcpServers: usableServers(init, options), ...meta };
  const result = await withAuthentication(send, init, options, () => send("session/new", params));
  const settings = sessionResultSchema.safeParse(result);
  const sessionId = settings.data?.sessionId ?? null;
  if (!settings.success || sessionId === null) {
    throw new CanopyError("agent.protocol", `${label} answered session/new without a session id`);
  }
  return { sessionId, settings: settings.data };
}

/** `session/fork` is not in ACP v1 yet; agents that have it say so. */
async function openFork(
  send: SendRequest,
  init: InitializeResult,
  options: HandshakeOptions,
  sessionId: string,
): Promise<{ sessionId: string; settings: SessionResult }> {
  const { spec, label } = options;
  const refuse = (why: string, cause?: unknown): CanopyError =>
    new CanopyError("agent.failed", `${label} could not fork session ${sessionId}: ${why}`, {
      data: { kind: "fork-refused" },
      cause,
    });
  if (init.agentCapabilities.sessionCapabilities?.fork === undefined) throw refuse("it has no such request");
  const params = { sessionId, cwd: spec.cwd, mcpServers: usableServers(init, options) };
  let result: unknown;
  try {
    result = await withAuthentication(send, init, options, () => send("session/fork", params));
  } catch (error) {
    const failure = readRpcError(error);
    throw failure === null ? error : refuse(failure.message, error);
  }
  const settings = sessionResultSchema.safeParse(result);
  const forkedId = settings.data?.sessionId ?? null;
  if (!settings.success || forkedId === null) throw refuse("its answer names no session");
  return { sessionId: forkedId, settings: settings.data };
}

async function openExisting(
  send: SendRequest,
  init: InitializeResult,
  options: HandshakeOptions,
  sessionId: string,
): Promise<{ sessionId: string; settings: SessionResult }> {
  const { spec, label } = options;
  if (spec.resume?.asFork === true) return openFork(send, init, options, sessionId);
  const canResume = init.agentCapabilities.sessionCapabilities?.resume !== undefined;
  if (!canResume && !init.agentCapabilities.loadSession) {
    throw new CanopyError("agent.failed", `${label} cannot resume sessions`, {
      data: { kind: "resume-unsupported" },
    });
  }
  const params = { sessionId, cwd: spec.cwd, mcpServers: usableServers(init, options) };
  try {
    const method = canResume ? "session/resume" : "session/load";
    const result = await withAuthentication(send, init, options, () => send(method, params));
    const settings = sessionResultSchema.safeParse(result ?? {});
    return { sessionId, settings: settings.success ? settings.data : sessionResultSchema.parse({}) };
  } catch (error) {
    const failure = readRpcError(error);
    if (failure === null) throw error;
    throw new CanopyError(
      "agent.failed",
      `${label} could not resume session ${sessionId}: ${failure.message}`,
      {
        hint: "Start a new session and give it the transcript.",
        data: { kind: "resume-refused" },
        cause: error,
      },
    );
  }
}

async function chooseModel(
  send: SendRequest,
  opened: { sessionId: string; settings: SessionResult },
  options: HandshakeOptions,
): Promise<void> {
  const { model } = options.spec;
  if (model === null) return;
  const { sessionId, settings } = opened;
  const option = findModelOption(settings);
  const hasModels = (settings.models?.availableModels.length ?? 0) > 0;
  if (option === null && !hasModels) {
    options.notice(`${options.label} offers no choice of model; ${model} is not used`);
    return;
  }
  // Some take any name in silence, and then go on with another model.
  const verdict = judgeModel(listAcpModels(settings), model);
  if (verdict.type === "unknown")
    throw new CanopyError("config.invalid", `${options.label} has no model ${model}`, {
      hint: `The nearest of those that it lists: ${verdict.nearest.join(", ")}.`,
    });
  const id = verdict.type === "listed" ? verdict.id : model;
  try {
    if (option === null) await send("session/set_model", { sessionId, modelId: id });
    else await send("session/set_config_option", { sessionId, configId: option.id, value: id });
  } catch (error) {
    const failure = readRpcError(error);
    if (failure === null) throw error;
    throw new CanopyError(
      "config.invalid",
      `${options.label} does not take the model ${model}: ${failure.message}`,
      {
        hint: `It offers: ${listAcpModels(settings)
          .models.map(({ id }) => id)
          .join(", ")}.`,
        cause: error,
      },
    );
  }
}

/** The first words of a connection. File and terminal access are not offered: the agent works in its own workspace. */
export async function greetAcpAgent(send: SendRequest, label: string): Promise<InitializeResult> {
  const init = initializeResultSchema.safeParse(
    await send("initialize", {
      protocolVersion: PROTOCOL_VERSION,
      clientCapabilities: { fs: { readTextFile: false, writeTextFile: false }, terminal: false },
      clientInfo: { name: "canopy", title: "Canopy", version: CANOPY_VERSION },
    }),
  );
  if (!init.success)
    throw new CanopyError("agent.protocol", `${label} answered initialize with something unreadable`);
  if (init.data.protocolVersion !== PROTOCOL_VERSION) {
    const version = init.data.protocolVersion;
    throw new CanopyError(
      "agent.protocol",
      `${label} speaks ACP version ${version}; Canopy speaks ${PROTOCOL_VERSION}`,
    );
  }
  return init.data;
}

/** From a greeted agent to an open session: log in when demanded, new or resumed session, model. */
export async function openAcpSession(
  send: SendRequest,
  init: InitializeResult,
  options: HandshakeOptions,
): Promise<OpenedAcpSession> {
  const { spec } = options;
  const opened =
    spec.resume === null
      ? await openNew(send, init, options)
      : await openExisting(send, init, options, spec.resume.nativeSessionId);
  await chooseModel(send, opened, options);
  const hasSystemPrompt = SYSTEM_PROMPT_AGENTS.has(init.agentInfo?.name ?? "");
  const needsPreamble = spec.systemAppend !== null && !(hasSystemPrompt && spec.resume === null);
  return {
    ...opened,
    capabilities: toCapabilities(init, opened.settings, options.measured ?? {}),
    preamble: needsPreamble && spec.systemAppend !== null ? createPreamble(spec.systemAppend) : null,
  };
}
