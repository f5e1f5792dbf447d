import { CanopyError } from "@canopy/protocol";
import type {
  AgentCapabilities,
  AgentDescription,
  AgentDriver,
  AgentModels,
  AgentPrepareSpec,
  AgentProbeSpec,
  AgentSession,
  AgentStartSpec,
  PreparedAgent,
  ProbeResult,
} from "../agent-driver.ts";
import { isFoundAnywhere, probeCommand } from "../probe-command.ts";
import { createTaskEnvironment } from "../task-environment.ts";
import { greetAcpAgent, openAcpSession } from "./acp-handshake.ts";
import type { AcpAuthentication, OpenedAcpSession } from "./acp-handshake.ts";
import { listAcpModels } from "./acp-models.ts";
import type { InitializeResult } from "./acp-schema.ts";
import { askProcess } from "../session/ask-process.ts";
import { createBlankSpec, prepareProcess } from "../session/prepare-process.ts";
import { ProcessSession } from "../session/process-session.ts";
import type { SessionGraces } from "../session/process-session.ts";
import { AcpLink } from "./acp-link.ts";
import { abandonStart, openWithin } from "../session/start-process-session.ts";
import { connectAgent } from "./connect-agent.ts";
import type { ConnectingAgent } from "./connect-agent.ts";
import { emitConfigOptions } from "./map-update.ts";

/** How to run an ACP agent. Times are in milliseconds. */
export interface AcpDriverOptions {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly kind?: "acp" | "scripted";
  readonly authentication?: AcpAuthentication | null;
  /** How long the agent may take until its session is open. Default 120,000: some are fetched at their first start. */
  readonly startMs?: number;
  readonly graces?: Partial<SessionGraces>;
  /** What is known of this agent better than it says itself. */
  readonly measured?: Partial<AgentCapabilities>;
  /** Variables for the agent's process besides those of the session. */
  readonly ownEnv?: Readonly<Record<string, string>>;
}

const DEFAULT_START_MS = 120_000;
/**
 * Only Gemini reads this. By itself it starts a second time below the first, to have more memory: 700 ms and 170 MB more, and the first
 * one neither hears a signal nor ends with its input.
 */
const OWN_ENV = { GEMINI_CLI_NO_RELAUNCH: "true" };

/** What ACP agents usually can; `session.capabilities` has what this one said. */
const USUAL_CAPABILITIES: AgentCapabilities = {
  steer: "emulated",
  queue: "emulated",
  resume: true,
  fork: "emulated",
  images: true,
  systemAppend: "emulated",
  mcpHttp: true,
  modelList: true,
  cost: true,
  diff: true,
  refusal: true,
};

function announce(connecting: ConnectingAgent, opened: OpenedAcpSession, model: string | null): void {
  const { writer } = connecting.parts;
  const { settings } = opened;
  connecting.isReplaying = false;
  writer.emit({ type: "session.started", nativeSessionId: opened.sessionId });
  const options = settings.configOptions ?? [];
  emitConfigOptions(
    writer,
    model === null ? options : options.filter((option) => option.category !== "model"),
  );
  const modeId = settings.modes?.currentModeId;
  if (modeId !== undefined && !options.some((option) => option.category === "mode")) {
    writer.emit({ type: "mode.changed", mode: modeId });
  }
  const current = model ?? settings.models?.currentModelId ?? null;
  const isToldAlready = model === null && options.some((option) => option.category === "model");
  if (current !== null && !isToldAlready) writer.emit({ type: "model.changed", model: current });
  const early = connecting.early ?? [];
  connecting.early = null;
  for (const tell of early) tell();
}

async function connect(options: AcpDriverOptions, spec: AgentStartSpec): Promise<ConnectingAgent> {
  if (spec.signal.aborted) throw new CanopyError("cancelled", `the start of ${options.name} was cancelled`);
  const env = { ...OWN_ENV, ...options.ownEnv, ...spec.env, ...createTaskEnvironment(spec.task) };
  const child = await spec.spawn(options.command, { cwd: spec.cwd, env });
  return connectAgent(child, { label: options.name, graces: options.graces ?? {} }, spec);
}

async function openSession(
  options: AcpDriverOptions,
  connecting: ConnectingAgent,
  spec: AgentStartSpec,
  greeting: () => Promise<InitializeResult>,
): Promise<AgentSession> {
  const { parts } = connecting;
  const open = async (): Promise<OpenedAcpSession> =>
    openAcpSession(parts.request, await greeting(), {
      label: options.name,
      authentication: options.authentication ?? null,
      spec,
      notice: connecting.notice,
      measured: options.measured ?? {},
    });
  try {
    const opened = await openWithin(parts, open(), { startMs: options.startMs ?? DEFAULT_START_MS, spec });
    announce(connecting, opened, opened.capabilities.modelList === true ? spec.model : null);
    const link = new AcpLink(parts, opened);
    connecting.link = link;
    const session = new ProcessSession(parts, link);
    if (spec.signal.aborted) await session.close();
    else spec.signal.addEventListener("abort", () => void session.close(), { once: true });
    return session;
  } catch (error) {
    throw await abandonStart(parts, error);
  }
}

async function startAcp(options: AcpDriverOptions, spec: AgentStartSpec): Promise<AgentSession> {
  const connecting = await connect(options, spec);
  const greeting = (): Promise<InitializeResult> => greetAcpAgent(connecting.parts.request, options.name);
  return openSession(options, connecting, spec, greeting);
}

async function prepareAcp(options: AcpDriverOptions, early: AgentPrepareSpec): Promise<PreparedAgent> {
  const connecting = await connect(options, createBlankSpec(early));
  const { parts } = connecting;
  const greeted = Promise.withResolvers<InitializeResult>();
  greeted.promise.catch(() => undefined);
  return prepareProcess(parts, early, {
    greet: async () => greeted.resolve(await greetAcpAgent(parts.request, options.name)),
    startMs: options.startMs ?? DEFAULT_START_MS,
    open: (spec) => openSession(options, connecting, spec, () => greeted.promise),
  });
}

/** What can be chosen is told with a session, so one is opened; nothing is asked in it. */
async function listModels(options: AcpDriverOptions, early: AgentPrepareSpec): Promise<AgentModels | null> {
  const spec = createBlankSpec({ ...early, model: null });
  const connecting = await connect(options, spec);
  const { parts, notice } = connecting;
  const { name: label, authentication = null, startMs = DEFAULT_START_MS } = options;
  const ask = async (): Promise<AgentModels | null> => {
    const init = await greetAcpAgent(parts.request, label);
    const opened = await openAcpSession(parts.request, init, { label, authentication, spec, notice });
    return opened.capabilities.modelList === true ? listAcpModels(opened.settings) : null;
  };
  return await askProcess(parts, { ask, startMs, spec });
}

/** A driver for any agent that speaks ACP v1 on its standard input and output. */
export function createAcpDriver(options: AcpDriverOptions): AgentDriver {
  return {
    name: options.name,
    describe(): AgentDescription {
      const kind = options.kind ?? "acp";
      const [program] = options.command;
      return {
        kind,
        command: options.command.join(" "),
        program: isFoundAnywhere(program) ? program : null,
        capabilities: { ...USUAL_CAPABILITIES, ...options.measured },
        readsFiles: [],
        // Of the agents that are known; what is not there is passed over.
        memory: [".local/share/opencode", ".gemini"],
      };
    },
    probe(spec: AgentProbeSpec): Promise<ProbeResult> {
      return probeCommand(options.command[0], ["--version"], spec);
    },
    start(spec: AgentStartSpec): Promise<AgentSession> {
      return startAcp(options, spec);
    },
    prepare(spec: AgentPrepareSpec): Promise<PreparedAgent> {
      return prepareAcp(options, spec);
    },
    listModels(spec: AgentPrepareSpec): Promise<AgentModels | null> {
      return listModels(options, spec);
    },
  };
}
