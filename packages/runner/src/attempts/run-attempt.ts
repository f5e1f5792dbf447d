import type { AttemptJob, AttemptResult, Failure, ProjectConfig } from "@canopy/protocol";
import { ZERO_USAGE } from "@canopy/protocol";
import { resolveAgent } from "@canopy/agents";
import type { PreparedAgent, ResolvedAgent } from "@canopy/agents";
import type { MergeEngine, Person, Repository } from "@canopy/git";
import type { Workspace, WorkspaceStore } from "@canopy/workspace";
import type { JobSource } from "../job-source.ts";
import type { ClaimOutcome } from "../task-sources/task-source.ts";
import type { Lease } from "../landing/queue-context.ts";
import { readScopes } from "../landing/read-scopes.ts";
import type { RunnerLog } from "../runner-log.ts";
import type { AgentHomes } from "../sessions/agent-homes.ts";
import { openAttemptSession } from "../sessions/open-attempt-session.ts";
import { planWarmAgent } from "../sessions/plan-warm-agent.ts";
import type { SessionHost } from "../sessions/session-host.ts";
import { SpendingNotes } from "../sessions/spending-notes.ts";
import type { ProviderGate } from "../sessions/provider-gate.ts";
import type { SpendingBook } from "../sessions/spending-book.ts";
import type { SessionWork } from "../sessions/session-work.ts";
import type { WarmAgents, WarmRecipe } from "../sessions/warm-agents.ts";
import { captureWorkspace } from "./capture-workspace.ts";
import type { ConflictRadar } from "./conflict-radar.ts";
import { failureOfException } from "./failure-of.ts";
import { keepAttempt } from "./keep-attempt.ts";
import type { AgentSecrets } from "./keep-keys.ts";
import { readAgentSecrets } from "./keep-keys.ts";
import type { BaseKeeper } from "./base-keeper.ts";
import type { LadderWork } from "./keep-ladder-work.ts";
import { keepLadderWork } from "./keep-ladder-work.ts";
import { layOutFiles } from "./ladder-plan.ts";
import type { AttemptOrigin } from "./plan-origin.ts";
import { planOrigin } from "./plan-origin.ts";
import type { PreparedWorkspace } from "./prepare-workspace.ts";
import { createMetadata, prepareWorkspace } from "./prepare-workspace.ts";
import type { AgentOutcome } from "./run-agent.ts";
import { runAgent } from "./run-agent.ts";

/** What running an attempt needs. */
export interface AttemptContext {
  readonly source: JobSource;
  readonly repository: Repository;
  readonly engine: MergeEngine;
  readonly workspaces: WorkspaceStore;
  readonly bases: BaseKeeper;
  readonly radar: ConflictRadar;
  readonly project: { readonly projectId: string; readonly name: string };
  readonly checkout: string;
  readonly config: ProjectConfig;
  readonly person: Person | null;
  /** The user's environment, from which only named variables are taken. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What agents are told, their past, and the tools of the rooms; absent: none of it. */
  readonly sessions?: SessionHost | undefined;
  /** What all attempts of this runner share: agents that wait, and what is spent. */
  readonly warm: WarmAgents;
  readonly limits: { readonly book: SpendingBook; readonly gate: ProviderGate };
  /** What agents remember between attempts of a session; absent: nothing. */
  readonly homes?: AgentHomes | undefined;
  /** Claims the task where it comes from, just before the work begins. Absent: tasks are the room's own. */
  readonly claimTask?: ((taskId: string, holder: string) => Promise<ClaimOutcome>) | undefined;
  readonly log: RunnerLog;
  readonly now: () => number;
}

/** Why an attempt was ended early. */
export type CancelReason = "kill" | "stop";

interface Ending {
  readonly outcome: AttemptResult["outcome"];
  readonly failure: Failure | null;
}

function timeoutFailure(timeoutMs: number): Failure {
  return {
    cause: "timeout",
    message: `it did not finish within ${Math.round(timeoutMs / 1000)} s`,
    agentError: "timeout",
    retryAfterMs: null,
  };
}

function blockedFailure(summary: string): Failure {
  return { cause: "blocked", message: summary, agentError: null, retryAfterMs: null };
}

/** What the end of the agent's turn means for the attempt. */
function judge(outcome: AgentOutcome, hasChanges: boolean): Ending {
  if (outcome.failure !== null) return { outcome: "failed", failure: outcome.failure };
  if (outcome.reason === "end_turn")
    return { outcome: hasChanges ? "succeeded" : "unchanged", failure: null };
  return {
    outcome: "failed",
    failure: {
      cause: "crash",
      message: `the agent stopped early: ${outcome.reason}`,
      agentError: outcome.reason === "refusal" ? "refusal" : "unknown",
      retryAfterMs: null,
    },
  };
}

/** What an early end means: a person's kill, the end of the run, or the end of its time. */
function judgeAbort(signal: AbortSignal, timeout: AbortSignal, timeoutMs: number): Ending | null {
  if (signal.aborted) return { outcome: signal.reason === "kill" ? "killed" : "interrupted", failure: null };
  if (timeout.aborted) return { outcome: "failed", failure: timeoutFailure(timeoutMs) };
  return null;
}

/**
 * Carries out one attempt: workspace, agent, capture; and reports how it ended. Whatever happens, what the agent did is
 * kept under its ref before the workspace goes. `signal`'s reason is a CancelReason.
 */
export async function runAttempt(
  context: AttemptContext,
  lease: Lease,
  job: AttemptJob,
  signal: AbortSignal,
): Promise<void> {
  using _atWork = context.warm.enter();
  const result = await carryOut(context, lease, job, signal);
  const outcome = await context.source.submit(
    { type: "attempt.finish", ...lease, result },
    `finish:${lease.jobId}:${lease.fence}`,
  );
  if (outcome.type === "rejection") {
    context.log.warn(
      { attemptId: job.attemptId, code: outcome.code },
      "the room did not take an attempt's result",
    );
  }
}

/** What came of the work itself, before what was left in the workspace is looked at. */
interface Work {
  origin: AttemptOrigin | null;
  prepared: PreparedWorkspace | null;
  /** Where the agent keeps its conversations. */
  memory: readonly string[];
  said: SessionWork | null;
  outcome: AgentOutcome | null;
  failure: Failure | null;
}

async function work(
  context: AttemptContext,
  lease: Lease,
  job: AttemptJob,
  signal: AbortSignal,
): Promise<Work> {
  const done: Work = {
    origin: null,
    prepared: null,
    memory: [],
    said: null,
    outcome: null,
    failure: null,
  };
  try {
    const agent = resolveAgent(job.agent, context.config.agents, context.checkout);
    done.memory = agent.driver.describe().memory;
    if (job.ladder === null) await requireClaim(context, job);
    const origin = await planOrigin(context, job, agent);
    done.origin = origin;
    const environment = await readAgentSecrets(agent, context.config, context.environment);
    const { workspace, prepared, recipe } = await prepare(context, lease, job, {
      done,
      agent,
      origin,
      environment,
      signal,
    });
    await using _waiting = prepared;
    const { sessions: host, homes, config } = context;
    await using session = await openAttemptSession({ host, homes, agent, job, workspace, config, signal });
    done.said = session.work;
    // Who resolves a conflict works where others do on purpose.
    await using watch = origin.plan === null ? context.radar.watch({ ...context, ...job, workspace }) : null;
    const onEdit = (): void => watch?.noteEdit();
    const { prompt } = origin;
    const { hosted } = session;
    done.outcome = await runAgent({
      ...context,
      agent,
      workspace,
      job,
      prompt,
      hosted,
      prepared,
      onStart: () => {
        if (recipe !== null && context.source.hasReadyTasks()) context.warm.refill(recipe);
      },
      meter: context.limits.book.open(job, config.budgets, context.now()),
      gate: context.limits.gate,
      notes: new SpendingNotes(context.source, lease, context.log),
      environment: environment.shown,
      onEdit,
      signal,
    });
  } catch (error) {
    done.failure = error instanceof TakenElsewhereError ? error.failure : failureOfException(error);
  }
  return done;
}

/** A workspace, the agent that waits in it, and how to prepare the next one. */
interface Ready {
  readonly workspace: Workspace;
  readonly prepared: PreparedAgent | null;
  readonly recipe: WarmRecipe | null;
}

/** Makes the workspace and tells the room that the attempt has begun. */
async function prepare(
  context: AttemptContext,
  lease: Lease,
  job: AttemptJob,
  parts: {
    readonly done: Work;
    readonly agent: ResolvedAgent;
    readonly origin: AttemptOrigin;
    readonly environment: AgentSecrets;
    readonly signal: AbortSignal;
  },
): Promise<Ready> {
  const { done, agent, origin, environment, signal } = parts;
  const { plan, start } = origin;
  // What stands on a stuck change is recovered by the ladder, not by a commit of its own.
  const parent = plan === null ? origin.parent : null;
  const note = { parent, memory: done.memory };
  const early = { ...context, job, environment };
  const recipe = context.sessions === undefined ? null : planWarmAgent(early, agent);
  const warm = recipe === null ? null : await context.warm.take(recipe, signal);
  const prepared =
    warm ??
    (await prepareWorkspace({
      ...context,
      job,
      ...(start === null ? {} : { start }),
      note,
      environment,
      signal,
    }));
  done.prepared = prepared;
  await warm?.workspace.annotate(createMetadata({ job, note }));
  const { workspace } = prepared;
  if (plan !== null) await layOutFiles(workspace, plan.files);
  await context.source.submit(
    {
      type: "attempt.start",
      ...lease,
      baseCommit: parent ?? workspace.commit,
      workspaceBackend: workspace.backend,
      sandboxLevel: workspace.sandboxLevel,
    },
    `start:${lease.jobId}:${lease.fence}`,
  );
  return { workspace, recipe, prepared: warm?.prepared ?? null };
}

async function carryOut(
  context: AttemptContext,
  lease: Lease,
  job: AttemptJob,
  signal: AbortSignal,
): Promise<AttemptResult> {
  const timeout = AbortSignal.timeout(job.timeoutMs);
  const done = await work(context, lease, job, AbortSignal.any([signal, timeout]));
  const early = judgeAbort(signal, timeout, job.timeoutMs);
  const workspace = done.prepared?.workspace ?? null;
  const limit = (await workspace?.describeLimitHit()) ?? null;
  const { kept, failure, lost } = await keepWork(context, job, done);
  await done.prepared?.release();
  return {
    ...nameLimit(early ?? judgeWork(done, failure, kept !== null), limit),
    lost: [...lost],
    baseCommit: done.origin?.parent ?? workspace?.commit ?? null,
    capture: kept,
    ...readOutcome(done),
  };
}

function readOutcome({
  said,
  outcome,
}: Work): Pick<AttemptResult, "summary" | "usage" | "steps" | "parkedFor"> {
  return {
    summary: said?.note?.summary ?? outcome?.summary ?? "",
    usage: outcome?.usage ?? ZERO_USAGE,
    steps: outcome?.steps ?? 0,
    parkedFor: outcome?.parkedFor ?? said?.parkedFor ?? null,
  };
}

/** Work that could not be captured must not count as done; its workspace stays for a person to look into. */
function judgeWork(done: Work, captureFailure: Failure | null, hasChanges: boolean): Ending {
  const failure = done.failure ?? captureFailure;
  if (failure !== null || done.outcome === null) return { outcome: "failed", failure };
  if ((done.outcome.parkedFor ?? done.said?.parkedFor ?? null) !== null)
    return { outcome: "interrupted", failure: null };
  const note = done.said?.note;
  if (note?.outcome === "blocked" && done.outcome.failure === null)
    return { outcome: "failed", failure: blockedFailure(note.summary) };
  return judge(done.outcome, hasChanges);
}

/** Says which limit of the workspace was behind a failure, so that it is no riddle. */
function nameLimit(ending: Ending, limit: string | null): Ending {
  if (ending.failure === null || limit === null) return ending;
  return {
    ...ending,
    failure: { ...ending.failure, message: `killed: ${limit} (${ending.failure.message})` },
  };
}

/** Somebody took the task in the tracker that it comes from. */
class TakenElsewhereError extends Error {
  readonly failure: Failure;

  constructor(by: string | null) {
    super(`the task was taken by ${by ?? "somebody else"} in its tracker`);
    this.failure = {
      cause: "claimed-elsewhere",
      message: this.message,
      agentError: null,
      retryAfterMs: null,
    };
  }
}

async function requireClaim(context: AttemptContext, job: AttemptJob): Promise<void> {
  const outcome = await context.claimTask?.(job.taskId, `canopy:${job.askedBy}`);
  if (outcome?.type === "taken") throw new TakenElsewhereError(outcome.by);
}

async function keepWork(context: AttemptContext, job: AttemptJob, done: Work): Promise<LadderWork> {
  const { said } = done;
  const plan = done.origin?.plan ?? null;
  const workspace = done.prepared?.workspace;
  if (workspace === undefined) return { kept: null, failure: null, lost: [] };
  try {
    await workspace.stopProcesses();
    if (done.memory.length > 0)
      await context.homes?.keep(job.sessionId, workspace.homeDirectory, done.memory);
    const capture = await captureWorkspace(context.repository, workspace);
    if (plan !== null && job.ladder !== null) {
      const work = await keepLadderWork(context, job, { ladder: job.ladder, plan, capture });
      await workspace.dispose();
      return work;
    }
    const kept = await keepAttempt({
      repository: context.repository,
      label: job,
      baseCommit: done.origin?.parent ?? workspace.commit,
      capture,
      ...(said?.message == null ? {} : { text: `${job.title}\n\n${said.message}` }),
      person: context.person,
      policy: context.config.commits,
      nowMs: context.now(),
      scopes: await readScopes(context.repository, context.config, workspace.commit),
    });
    await workspace.dispose();
    return { kept, failure: null, lost: [] };
  } catch (error) {
    context.log.error(
      { attemptId: job.attemptId, error },
      "an attempt's work could not be captured; its workspace is kept",
    );
    await workspace.keep().catch(() => undefined);
    return { kept: null, failure: failureOfException(error), lost: [] };
  }
}
