import type {
  AgentEvent,
  AttemptJob,
  Failure,
  InquiryId,
  ProjectConfig,
  TurnEndReason,
  Usage,
} from "@canopy/protocol";
import { ZERO_USAGE } from "@canopy/protocol";
import type {
  AgentSession,
  BucketOptions,
  BudgetBreach,
  PreparedAgent,
  ResolvedAgent,
  TurnError,
  TurnResult,
} from "@canopy/agents";
import type { Workspace } from "@canopy/workspace";
import type { JobSource } from "../job-source.ts";
import type { RunnerLog } from "../runner-log.ts";
import { describeMissingKey } from "../sessions/agent-environment.ts";
import { openBudgetInquiry, settleBreach } from "../sessions/budget-breach.ts";
import { isConversational } from "../sessions/open-attempt-session.ts";
import { PersonDesk, permissionsOf, toPermissionRules } from "../sessions/person-desk.ts";
import { giveImages } from "../sessions/give-images.ts";
import type { ProviderGate } from "../sessions/provider-gate.ts";
import { accountOf } from "../sessions/provider-gate.ts";
import { readInstructions } from "../sessions/read-instructions.ts";
import type { HostedSession, TurnPrompt } from "../sessions/session-host.ts";
import { SessionTranscript } from "../sessions/session-transcript.ts";
import type { SpendingNotes } from "../sessions/spending-notes.ts";
import type { SpendingMeter } from "../sessions/spending-book.ts";
import { createProcessEnvironment, createShellFile, writeShellFile } from "../sessions/shell-file.ts";
import { startAgentSession } from "../sessions/start-agent-session.ts";
import { describeActivity } from "./describe-activity.ts";
import { describeMemory } from "./describe-memory.ts";
import { failureOfTurn } from "./failure-of.ts";

const ACTIVITY_EVERY_MS = 200;
const JUDGE_EVERY_MS = 1_000;

/** What runAgent needs. */
export interface AgentRun {
  readonly source: JobSource;
  readonly agent: ResolvedAgent;
  readonly workspace: Workspace;
  readonly job: AttemptJob;
  readonly config: ProjectConfig;
  /** Variables of the user's environment that the agent may see, by name. */
  readonly environment: Readonly<Record<string, string>>;
  /** What the agent is asked. */
  readonly prompt: string;
  /** What the agent is told and may use, and what people ask of it; null where no rooms are. */
  readonly hosted: HostedSession | null;
  /** One that waits in the workspace already. */
  readonly prepared: PreparedAgent | null;
  /** Called when the agent is there and is about to get its first prompt. */
  readonly onStart: () => void;
  readonly meter: SpendingMeter;
  readonly gate: ProviderGate;
  readonly notes: SpendingNotes;
  /** Called when the agent has changed files. */
  readonly onEdit: () => void;
  readonly signal: AbortSignal;
  readonly log: RunnerLog;
  readonly now: () => number;
}

/** How the agent's work went. */
export interface AgentOutcome {
  readonly reason: TurnEndReason;
  readonly usage: Usage;
  readonly steps: number;
  readonly failure: Failure | null;
  readonly summary: string;
  /** The inquiry that the work waits for. */
  readonly parkedFor: InquiryId | null;
}

/** One process of the agent: its model, and the first thing it is asked. */
interface Leg {
  readonly model: string | null;
  readonly prompt: TurnPrompt;
  readonly prepared: PreparedAgent | null;
}

/** How a leg ended. */
interface LegEnd {
  readonly result: TurnResult;
  readonly parkedFor: InquiryId | null;
  readonly breach: BudgetBreach | null;
}

/** Tools that change files, as far as an agent says what its tools do. */
function isEdit(event: AgentEvent): boolean {
  return event.type === "tool.ended" && ["edit", "delete", "move", "execute"].includes(event.tool.kind);
}

/** An agent at work, with all that looks on. */
class AgentAtWork {
  readonly #run: AgentRun;
  readonly #transcript: SessionTranscript;
  readonly #session: AgentSession;
  readonly #desk: PersonDesk;
  readonly #ends: (() => void)[] = [];
  #breach: BudgetBreach | null = null;
  #wasInterrupted = false;

  constructor(run: AgentRun, transcript: SessionTranscript, session: AgentSession) {
    const { source, job, workspace, log, config, signal, hosted } = run;
    this.#run = run;
    this.#transcript = transcript;
    this.#session = session;
    this.#desk = new PersonDesk({
      source,
      job,
      cwd: workspace.path,
      config: permissionsOf(config.permissions, job),
      session,
      onPark: () => this.#cancel(),
      log,
    });
    const onAbort = (): void => this.#cancel();
    signal.addEventListener("abort", onAbort, { once: true });
    const watch = setInterval(() => this.#judge(), JUDGE_EVERY_MS);
    const endInterrupts = hosted?.onInterrupt(() => {
      this.#wasInterrupted = true;
      this.#cancel();
    });
    this.#ends.push(
      () => signal.removeEventListener("abort", onAbort),
      () => clearInterval(watch),
      () => endInterrupts?.(),
      () => this.#desk[Symbol.dispose](),
    );
    if (signal.aborted) onAbort();
  }

  /** Turn after turn, until nothing is left to ask; then ends the agent. */
  async work(first: TurnPrompt): Promise<LegEnd> {
    const pump = this.#pump();
    let result: TurnResult = { reason: "failed", usage: ZERO_USAGE, error: null, lastMessage: "" };
    try {
      await this.#transcript.begin(first);
      for (let prompt: TurnPrompt | null = first; prompt !== null;) {
        result = await this.#turn(prompt);
        prompt = this.#next(result);
        if (prompt === null) break;
        await this.#transcript.endTurn(result.reason);
        await this.#transcript.begin(prompt);
      }
    } finally {
      for (const end of this.#ends) end();
      await this.#session.close();
      await pump;
      await this.#transcript.end(result.reason);
    }
    return { result, parkedFor: this.#desk.parkedFor, breach: this.#breach };
  }

  async #turn(prompt: TurnPrompt): Promise<TurnResult> {
    const { gate, agent, signal } = this.#run;
    const { account, options } = this.#bucket();
    if (isConversational(agent) && !signal.aborted)
      await gate.enter(account, options, signal).catch(() => undefined);
    const { hosted, workspace } = this.#run;
    const level = this.#session.capabilities.images;
    const given = await giveImages({ hosted, workspace, level }, prompt);
    const result = await this.#session.prompt(given.text, given.images);
    const { error } = result;
    gate.leave(account, options, {
      errorKind: error?.kind ?? null,
      retryAfterMs: error?.retryAfterMs ?? null,
    });
    return result;
  }

  #bucket(): { readonly account: string; readonly options: BucketOptions } {
    const { agent, environment, config } = this.#run;
    const { burst, turns_per_minute: maxPerMinute } = config.provider;
    const options = { burst, maxPerMinute, minPerMinute: Math.min(2, maxPerMinute) };
    return { account: accountOf(agent, environment), options };
  }

  /** The agent asks again by itself; others of its account wait until then. */
  #noteRefusal(event: AgentEvent): void {
    if (event.type !== "notice" || event.refusal === undefined) return;
    const { account, options } = this.#bucket();
    const { kind, retryAfterMs = null } = event.refusal;
    this.#run.gate.leave(account, options, { errorKind: kind, retryAfterMs });
  }

  /** What people asked of the session meanwhile. */
  #next(result: TurnResult): TurnPrompt | null {
    const { hosted, signal } = this.#run;
    const goesOn = result.reason === "end_turn" || (result.reason === "cancelled" && this.#wasInterrupted);
    this.#wasInterrupted = false;
    if (!goesOn || signal.aborted || this.#desk.parkedFor !== null || this.#breach !== null) return null;
    return hosted?.nextPrompt() ?? null;
  }

  async #pump(): Promise<void> {
    const { onEdit, meter } = this.#run;
    let lastActivityMs = 0;
    for await (const event of this.#session.events) {
      await this.#transcript.write(event);
      this.#desk.take(event);
      this.#noteRefusal(event);
      if (event.type === "usage") meter.noteUsage(event.usage);
      if (event.type === "tool.started" || event.type === "message.done") meter.noteStep();
      this.#judge();
      if (isEdit(event)) onEdit();
      lastActivityMs = this.#tell(event, lastActivityMs);
    }
  }

  #tell(event: AgentEvent, lastActivityMs: number): number {
    const { source, job, now } = this.#run;
    const text = describeActivity(event);
    const nowMs = now();
    if (text === null || nowMs - lastActivityMs < ACTIVITY_EVERY_MS) return lastActivityMs;
    source.publishActivity({ attemptId: job.attemptId, taskId: job.taskId, text, atMs: nowMs });
    return nowMs;
  }

  #judge(): void {
    const { notes, meter, now } = this.#run;
    notes.note(meter, now());
    if (this.#breach !== null) return;
    this.#breach = this.#run.meter.judge(this.#run.now());
    if (this.#breach !== null) this.#cancel();
  }

  #cancel(): void {
    this.#session.cancel().catch(() => undefined);
  }
}

async function runLeg(run: AgentRun, transcript: SessionTranscript, leg: Leg): Promise<LegEnd> {
  const { job, workspace, agent } = run;
  const spec = {
    spawn: workspace.spawn,
    cwd: workspace.path,
    env: {
      ...createProcessEnvironment(agent, workspace, run.environment),
      CANOPY_ATTEMPT_NUMBER: String(job.attemptNumber),
    },
    secretNames: Object.keys(run.environment),
    model: leg.model,
    permissionPolicy: toPermissionRules(permissionsOf(run.config.permissions, job)),
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
  run.meter.beginProcess();
  const { readsFiles } = agent.driver.describe();
  const instructions = await readInstructions(workspace.readablePath, readsFiles);
  const { prepared } = leg;
  const told = { hosted: run.hosted, instructions, prepared };
  if (run.hosted !== null && isConversational(agent))
    await writeShellFile(workspace.homeDirectory, createShellFile(agent, run.environment, spec.task));
  const { session, memory, isFork } = await startAgentSession(agent.driver, spec, told);
  const notice = describeMemory(memory, isFork ? job.forkOf : null);
  if (notice !== null) await transcript.write(notice);
  run.onStart();
  // Who goes on with a conversation of its own has seen them.
  const prompt = memory === "own" && !isFork ? { ...leg.prompt, images: [] } : leg.prompt;
  return await new AgentAtWork(run, transcript, session).work(prompt);
}

/**
 * Starts the agent in its workspace, gives it the prompt and what people ask meanwhile, writes its transcript, and ends it.
 * Aborting the signal cancels the turn through the agent's own protocol first. Throws what the driver's start throws.
 */
export async function runAgent(run: AgentRun): Promise<AgentOutcome> {
  const { job, agent, source, meter, now } = run;
  const transcript = new SessionTranscript(source, job);
  let leg: Leg = {
    model: job.model ?? agent.model,
    prompt: { text: run.prompt, images: job.images ?? [], author: job.askedBy, promptId: null },
    prepared: run.prepared,
  };
  for (;;) {
    // What is used up already is not gone beyond.
    const early = meter.judge(now());
    const end =
      early === null || early.action.type === "cheaper"
        ? await runLeg(run, transcript, leg)
        : cutShort(early);
    const settled = settleBreach(end, job.ladder === null);
    if (settled.type === "cheaper") {
      meter.grant();
      leg = { model: settled.model, prompt: settled.prompt, prepared: null };
      continue;
    }
    const asked = settled.type === "ask" ? await openBudgetInquiry(source, job, settled.text) : null;
    source.publishActivity({ attemptId: job.attemptId, taskId: job.taskId, text: "done", atMs: now() });
    return toOutcome(run, end, { failure: settled.type === "stop" ? settled.failure : null, asked });
  }
}

function cutShort(breach: BudgetBreach): LegEnd {
  const result = { reason: "cancelled" as const, usage: ZERO_USAGE, error: null, lastMessage: "" };
  return { result, parkedFor: null, breach };
}

/** An agent without a key is told apart from one whose key is wrong. */
function withKeyHint({ agent, environment }: AgentRun, error: TurnError): TurnError {
  if (error.kind !== "authentication") return error;
  return { ...error, hint: describeMissingKey(agent, environment) ?? error.hint };
}

function toOutcome(
  run: AgentRun,
  { result, parkedFor }: LegEnd,
  budget: { readonly failure: Failure | null; readonly asked: InquiryId | null },
): AgentOutcome {
  const failure = result.error === null ? null : failureOfTurn(withKeyHint(run, result.error));
  const { meter } = run;
  return {
    reason: result.reason,
    usage: meter.usage,
    steps: meter.steps,
    failure: budget.failure ?? failure,
    summary: result.lastMessage.slice(-4000),
    parkedFor: parkedFor ?? budget.asked,
  };
}
