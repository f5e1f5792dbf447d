import { CanopyError, isCanopyError } from "@canopy/protocol";
import type {
  AgentCapabilities,
  AgentDescription,
  AgentDriver,
  AgentProbeSpec,
  AgentSession,
  AgentStartSpec,
  ProbeResult,
} from "../agent-driver.ts";
import { isFoundAnywhere, probeCommand } from "../probe-command.ts";
import { createTaskEnvironment } from "../task-environment.ts";
import { describeExit, withTail } from "../turn-error.ts";
import { withinMs } from "../within-ms.ts";
import { openAcpSession } from "./acp-handshake.ts";
import type { AcpAuthentication, OpenedAcpSession } from "./acp-handshake.ts";
import { AcpSession } from "./acp-session.ts";
import type { AcpConnectionParts, AcpGraces } from "./acp-session.ts";
import { connectAgent } from "./connect-agent.ts";
import type { ConnectingAgent } from "./connect-agent.ts";
import { emitConfigOptions } from "./map-update.ts";
import { readRpcError } from "./read-rpc-error.ts";

/** How to run an ACP agent. Times are in milliseconds. */
export interface AcpDriverOptions {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly kind?: "acp" | "scripted";
  readonly authentication?: AcpAuthentication | null;
  /** How long the agent may take until its session is open. Default 120,000: some are fetched at their first start. */
  readonly startMs?: number;
  readonly graces?: Partial<AcpGraces>;
  /** Variables for the agent's process besides those of the session. */
  readonly ownEnv?: Readonly<Record<string, string>>;
}

const DEFAULT_START_MS = 120_000;
const AFTER_EXIT_MS = 1_000;

/** What ACP agents usually can; `session.capabilities` has what this one said. */
const USUAL_CAPABILITIES: AgentCapabilities = {
  steer: "emulated",
  queue: "emulated",
  resume: true,
  fork: false,
  images: true,
  systemAppend: "emulated",
  mcpHttp: true,
  modelList: true,
  cost: true,
  diff: true,
};

/** Why the session could not be opened, in the right words for a process that died, an error answer, or silence. */
async function startError(error: unknown, parts: AcpConnectionParts): Promise<CanopyError> {
  if (isCanopyError(error)) return error;
  const { label, child, stderr, stderrEnded, graces } = parts;
  const failure = readRpcError(error);
  if (failure !== null) {
    return new CanopyError(
      "agent.failed",
      withTail(`${label} refused to start a session: ${failure.message}`, stderr.text),
      {
        cause: error,
        retry: true,
      },
    );
  }
  const exit = await child.stop(graces.stopMs);
  await withinMs(stderrEnded, 500);
  if (exit.code === 126 || exit.code === 127) {
    return new CanopyError("agent.not-found", withTail(`${label} could not be run`, stderr.text), {
      hint: "Install it, or correct its command in the configuration.",
    });
  }
  return new CanopyError(
    "agent.failed",
    withTail(`${label} ended while starting (${describeExit(exit)})`, stderr.text),
    {
      hint: "Run its command by hand to see what is wrong.",
      retry: true,
      cause: error,
    },
  );
}

async function openWithin(
  connecting: ConnectingAgent,
  options: AcpDriverOptions,
  spec: AgentStartSpec,
): Promise<OpenedAcpSession> {
  const { parts } = connecting;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void =>
    reject(new CanopyError("cancelled", `the start of ${options.name} was cancelled`));
  spec.signal.addEventListener("abort", onAbort, { once: true });
  if (spec.signal.aborted) onAbort();
  // The connection tells it sooner, unless a process that the agent started still holds the pipe.
  const exited = parts.child.exited
    .then(() => withinMs(aborted, AFTER_EXIT_MS))
    .then(() => {
      throw new Error("the agent's process ended");
    });
  exited.catch(() => null);
  aborted.catch(() => null);
  const opening = openAcpSession(parts.request, {
    label: options.name,
    authentication: options.authentication ?? null,
    spec,
    notice: connecting.notice,
  });
  opening.catch(() => null);
  const startMs = options.startMs ?? DEFAULT_START_MS;
  try {
    const opened = await withinMs(Promise.race([opening, aborted, exited]), startMs);
    if (opened !== null) return opened;
    throw new CanopyError("timed-out", `${options.name} did not open a session within ${startMs / 1000} s`, {
      retry: true,
      hint: "Run its command by hand to see what it waits for.",
    });
  } finally {
    spec.signal.removeEventListener("abort", onAbort);
  }
}

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

async function startAcp(options: AcpDriverOptions, spec: AgentStartSpec): Promise<AgentSession> {
  if (spec.signal.aborted) throw new CanopyError("cancelled", `the start of ${options.name} was cancelled`);
  const env = { ...options.ownEnv, ...spec.env, ...createTaskEnvironment(spec.task) };
  const child = await spec.spawn(options.command, { cwd: spec.cwd, env });
  const connecting = await connectAgent(child, { label: options.name, graces: options.graces ?? {} }, spec);
  const { parts } = connecting;
  try {
    const opened = await openWithin(connecting, options, spec);
    announce(connecting, opened, opened.capabilities.modelList === true ? spec.model : null);
    const session = new AcpSession(parts, opened);
    connecting.session = session;
    if (spec.signal.aborted) await session.close();
    else spec.signal.addEventListener("abort", () => void session.close(), { once: true });
    return session;
  } catch (error) {
    const failure = await startError(error, parts);
    await child.stop(parts.graces.stopMs);
    parts.disconnect();
    parts.queue.end();
    throw failure;
  }
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
        capabilities: USUAL_CAPABILITIES,
      };
    },
    probe(spec: AgentProbeSpec): Promise<ProbeResult> {
      return probeCommand(options.command[0], ["--version"], spec);
    },
    start(spec: AgentStartSpec): Promise<AgentSession> {
      return startAcp(options, spec);
    },
  };
}
