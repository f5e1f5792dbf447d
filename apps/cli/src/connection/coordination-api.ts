import type { ActingAs, CoordinationRequestInput, Json } from "@canopy/protocol";
import { daemonPaths } from "./ensure-daemon.ts";
import { connectDaemonApi, openDaemonApi } from "./project-api.ts";
import { requestDaemon } from "./request.ts";

/** Where agents say which session of theirs a command runs in: the variable and the agent. */
const NATIVE_IDS = [
  ["CLAUDE_CODE_SESSION_ID", "claude"],
  ["CODEX_THREAD_ID", "codex"],
  ["GEMINI_SESSION_ID", "gemini"],
] as const;

/** How a person or an agent says who it is. */
export interface IdentityOptions {
  /** A handle or id. */
  readonly session?: string;
  /** A name of one's own, for agents that nobody knows. */
  readonly as?: string;
  /** With `as`: the agent's own process, where that is known. */
  readonly pid?: number;
}

/** Who runs this command: what was said, what the environment says, or what the processes above say. */
export function readIdentity(
  options: IdentityOptions,
  env: Readonly<Record<string, string | undefined>>,
  parentPid: number,
): ActingAs {
  if (options.session !== undefined) return { session: options.session };
  if (options.as !== undefined) {
    // Not the process above: in a person's shell that is their terminal, which would then be the session.
    return {
      agent: "agent",
      nativeSessionId: options.as,
      ...(options.pid === undefined ? {} : { pid: options.pid }),
    };
  }
  const own = env["CANOPY_SESSION"];
  if (own !== undefined && own !== "") return { session: own };
  for (const [variable, agent] of NATIVE_IDS) {
    const nativeSessionId = env[variable];
    if (nativeSessionId !== undefined && nativeSessionId !== "")
      return { agent, nativeSessionId, pid: parentPid };
  }
  return { pid: parentPid };
}

type ActionInput = CoordinationRequestInput["action"];

/** How an act is asked for. */
export interface ActOptions {
  /** How long the answer may take beside its work, in ms. */
  readonly blockMs?: number;
  /** False: when no daemon runs, none is started; throws `daemon.unavailable`. */
  readonly mayStart?: boolean;
}

/** Carries out one act in the current folder. */
export async function act(
  action: ActionInput,
  identity: IdentityOptions,
  options: ActOptions = {},
): Promise<Record<string, Json>> {
  const { paths } = options.mayStart === false ? connectDaemonApi(daemonPaths()) : await openDaemonApi();
  const body: CoordinationRequestInput = {
    cwd: process.cwd(),
    as: readIdentity(identity, process.env, process.ppid),
    action,
  };
  const answer = await requestDaemon(paths.socketPath, {
    method: "POST",
    path: "/coordination",
    body: JSON.parse(JSON.stringify(body)) as Json,
    timeoutMs: 120_000 + (options.blockMs ?? 0),
  });
  return typeof answer === "object" && answer !== null ? { ...(answer as Record<string, Json>) } : {};
}
