import { lstat, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { AttemptJob, ProjectConfig } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol";
import type { ResolvedAgent } from "@canopy/agents";
import type { Workspace } from "@canopy/workspace";
import type { AgentHomes } from "./agent-homes.ts";
import { permissionsOf } from "./person-desk.ts";
import type { HostedSession, SessionHost } from "./session-host.ts";
import type { SessionWork } from "./session-work.ts";
import { createSessionWork } from "./session-work.ts";

/** What opening a session for an attempt needs. */
export interface AttemptSessionOptions {
  readonly host: SessionHost | undefined;
  readonly homes: AgentHomes | undefined;
  readonly agent: ResolvedAgent;
  readonly job: AttemptJob;
  readonly workspace: Workspace;
  readonly config: ProjectConfig;
  readonly signal: AbortSignal;
}

/** An attempt's session: what its agent is told and may use, and what it said of its work. */
export interface AttemptSession extends AsyncDisposable {
  /** Null where no rooms are. */
  readonly hosted: HostedSession | null;
  readonly work: SessionWork;
}

/** True for agents that hold a conversation with a model: they can be told things, use tools, and go on later. */
export function isConversational(agent: ResolvedAgent): boolean {
  const { kind } = agent.driver.describe();
  return kind !== "command" && kind !== "scripted";
}

/** The setup command has run in this HOME: what stands there may be a link that leads out. */
async function makeSocketFolder(home: string): Promise<string> {
  const folder = join(home, ".canopy");
  await mkdir(folder, { mode: 0o700 }).catch(() => undefined);
  const info = await lstat(folder).catch(() => null);
  if (info?.isDirectory() === true) return folder;
  throw new CanopyError("workspace.failed", "the workspace's HOME has something else at .canopy", {
    hint: "See what [workspace] setup does there.",
  });
}

/** The session whose memory a fork begins with; null when it may not, or must not know all of it. */
function forkedMemory({ forkOf }: AttemptJob): AttemptJob["sessionId"] | null {
  return forkOf?.isWhole === true ? forkOf.sessionId : null;
}

/** Opens an attempt's session; what its agent remembers of earlier attempts is in its HOME afterwards. */
export async function openAttemptSession(options: AttemptSessionOptions): Promise<AttemptSession> {
  const { host, homes, agent, job, workspace, config, signal } = options;
  const work = createSessionWork(workspace, config, signal);
  if (host === undefined) return { hosted: null, work, [Symbol.asyncDispose]: () => Promise.resolve() };
  const canTalk = isConversational(agent);
  const hosted = await host.open({
    job,
    isConversational: canTalk,
    socketFolder: canTalk ? await makeSocketFolder(workspace.homeDirectory) : workspace.homeDirectory,
    workspace: work.tools,
    permissions: permissionsOf(config.permissions, job),
  });
  const remembered = hosted.readPast() === null ? forkedMemory(job) : job.sessionId;
  if (remembered !== null) await homes?.restore(remembered, workspace.homeDirectory);
  return { hosted, work, [Symbol.asyncDispose]: () => hosted[Symbol.asyncDispose]() };
}
