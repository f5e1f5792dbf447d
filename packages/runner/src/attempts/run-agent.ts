import type { AgentEvent, AttemptJob, Failure, TurnEndReason, Usage } from "@canopy/protocol";
import { ZERO_USAGE } from "@canopy/protocol";
import type { AgentSession, ResolvedAgent, TurnResult } from "@canopy/agents";
import type { Workspace } from "@canopy/workspace";
import type { JobSource } from "../job-source.ts";
import { describeActivity } from "./describe-activity.ts";
import { failureOfTurn } from "./failure-of.ts";
import type { HostedSession } from "../sessions/session-host.ts";
import { startAgentSession } from "../sessions/start-agent-session.ts";
import { TranscriptWriter } from "./transcript-writer.ts";

/** Feature in which attempts' sessions are. */
const GENERAL_FEATURE = "ftr_general";
const ACTIVITY_EVERY_MS = 200;
const TOLD_NOTICE = "the agent had lost its own conversation: it was told this transcript";

/** What runAgent needs. */
export interface AgentRun {
  readonly source: JobSource;
  readonly agent: ResolvedAgent;
  readonly workspace: Workspace;
  readonly job: AttemptJob;
  /** Variables of the user's environment that the agent may see, by name. */
  readonly environment: Readonly<Record<string, string>>;
  /** What the agent is asked. */
  readonly prompt: string;
  /** What the agent is told and may use; null for agents that take neither. */
  readonly hosted: HostedSession | null;
  /** Called when the agent has changed files. */
  readonly onEdit: () => void;
  readonly signal: AbortSignal;
  readonly now: () => number;
}

/** How the agent's turn went. `wasTimedOut` when the attempt's time was up. */
export interface AgentOutcome {
  readonly reason: TurnEndReason;
  readonly usage: Usage;
  readonly failure: Failure | null;
  readonly summary: string;
}

/** Tools that change files, as far as an agent says what its tools do. */
function isEdit(event: AgentEvent): boolean {
  return event.type === "tool.ended" && ["edit", "delete", "move", "execute"].includes(event.tool.kind);
}

async function pumpEvents(run: AgentRun, session: AgentSession, writer: TranscriptWriter): Promise<void> {
  let lastActivityMs = 0;
  for await (const event of session.events) {
    await writer.write(event);
    if (isEdit(event)) run.onEdit();
    const text = describeActivity(event);
    const nowMs = run.now();
    if (text === null || nowMs - lastActivityMs < ACTIVITY_EVERY_MS) continue;
    lastActivityMs = nowMs;
    run.source.publishActivity({
      attemptId: run.job.attemptId,
      taskId: run.job.taskId,
      text,
      atMs: nowMs,
    });
  }
}

function toOutcome(result: TurnResult): AgentOutcome {
  return {
    reason: result.reason,
    usage: result.usage,
    failure: result.error === null ? null : failureOfTurn(result.error),
    summary: result.lastMessage.slice(-4000),
  };
}

/**
 * Starts the agent in its workspace, gives it the prompt, writes its transcript, and ends it. Aborting the signal cancels
 * the turn through the agent's own protocol first. Throws what the driver's start throws.
 */
export async function runAgent(run: AgentRun): Promise<AgentOutcome> {
  const { job, workspace, agent, source } = run;
  const spec = {
    spawn: workspace.spawn,
    cwd: workspace.path,
    env: { ...workspace.env, ...run.environment, CANOPY_ATTEMPT_NUMBER: String(job.attemptNumber) },
    model: job.model ?? agent.model,
    permissionPolicy: "allow-all" as const,
    task: {
      taskId: job.taskId,
      title: job.title,
      description: job.description,
      sessionId: job.sessionId,
      workspace: workspace.path,
      labels: job.ladder === null ? job.labels : [...job.labels, `canopy-${job.ladder.rung}`],
      attemptNumber: job.attemptNumber,
    },
    signal: run.signal,
  };
  const { session, memory } = await startAgentSession(agent.driver, spec, run.hosted);
  const writer = await startTranscript(run, session);
  if (memory === "told") await writer.write({ type: "notice", level: "warn", text: TOLD_NOTICE });
  const pump = pumpEvents(run, session, writer);
  const cancel = (): void => {
    session.cancel().catch(() => undefined);
  };
  run.signal.addEventListener("abort", cancel, { once: true });
  let result: TurnResult = { reason: "failed", usage: ZERO_USAGE, error: null, lastMessage: "" };
  try {
    if (run.signal.aborted) cancel();
    result = await session.prompt(run.prompt);
  } finally {
    run.signal.removeEventListener("abort", cancel);
    await session.close();
    await pump;
    await writer.end(result.reason);
  }
  source.publishActivity({ attemptId: job.attemptId, taskId: job.taskId, text: "done", atMs: run.now() });
  return toOutcome(result);
}

async function startTranscript(run: AgentRun, session: AgentSession): Promise<TranscriptWriter> {
  try {
    return await TranscriptWriter.start({
      source: run.source,
      featureId: GENERAL_FEATURE,
      sessionId: run.job.sessionId,
      attemptId: run.job.attemptId,
      author: run.job.askedBy,
      prompt: run.prompt,
    });
  } catch (error) {
    await session.close();
    throw error;
  }
}
