import type { JobId, LeasedJob, ProjectConfig, RunnerId } from "@canopy/protocol";
import type { MergeEngine, Person, Repository } from "@canopy/git";
import { CHECKPOINT_REF_PREFIX, listRefs, updateRefs } from "@canopy/git";
import type { WorkspaceStore } from "@canopy/workspace";
import type { JobSource } from "./job-source.ts";
import type { AgentHomes } from "./sessions/agent-homes.ts";
import { ProviderGate } from "./sessions/provider-gate.ts";
import { WarmAgents } from "./sessions/warm-agents.ts";
import { SpendingBook } from "./sessions/spending-book.ts";
import type { SessionHost } from "./sessions/session-host.ts";
import type { ClaimOutcome } from "./task-sources/task-source.ts";
import { BaseKeeper } from "./attempts/base-keeper.ts";
import { ConflictRadar } from "./attempts/conflict-radar.ts";
import type { CancelReason } from "./attempts/run-attempt.ts";
import { runAttempt } from "./attempts/run-attempt.ts";
import type { Lease } from "./landing/queue-context.ts";
import { runQueueJob } from "./landing/run-queue-job.ts";
import type { RunnerLog } from "./runner-log.ts";

const HEARTBEAT_MS = 15_000;
const LEASE_LIMIT = 64;

/** What a runner of one project needs. */
export interface RunnerOptions {
  readonly runnerId: RunnerId;
  /** Stays the same over restarts of one machine's daemon: a new runner of it ends what an earlier one had leased. */
  readonly hostId: string;
  readonly source: JobSource;
  readonly repository: Repository;
  readonly engine: MergeEngine;
  readonly workspaces: WorkspaceStore;
  readonly project: { readonly projectId: string; readonly name: string };
  readonly checkout: string;
  /** Read anew for every job, so that an edited configuration counts at once. Throws `config.invalid`. */
  readonly readConfig: (checkout: string) => Promise<ProjectConfig>;
  readonly readPerson: () => Promise<Person | null>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly sessions?: SessionHost;
  readonly homes?: AgentHomes;
  /** Claims a task where it comes from, just before the work begins. */
  readonly claimTask?: (taskId: string, holder: string) => Promise<ClaimOutcome>;
  readonly log: RunnerLog;
  readonly now: () => number;
}

/** A runner at work. */
export interface Runner {
  readonly activeCount: number;
  /** Leases nothing more, ends what runs (its work is kept), and resolves when all is reported. */
  stop(): Promise<void>;
}

function parseLeased(result: unknown): LeasedJob[] {
  const jobs: unknown = typeof result === "object" && result !== null ? Reflect.get(result, "jobs") : null;
  return Array.isArray(jobs) ? (jobs as LeasedJob[]) : [];
}

/** Registers a runner and carries out the project's jobs until it is stopped. */
export async function startRunner(options: RunnerOptions): Promise<Runner> {
  const { runnerId, hostId } = options;
  options.source.heartbeat(runnerId);
  await options.source.submit({ type: "runner.register", runnerId, hostId }, `register:${runnerId}`);
  await options.homes?.expire(options.now());
  const bases = new BaseKeeper(options.repository);
  await bases.clear();
  await forgetCheckpoints(options.repository);
  const runner = new JobRunner(options, bases);
  runner.begin();
  return runner;
}

/** Checkpoints of sessions that a dead process watched: their workspaces were captured by now. */
async function forgetCheckpoints(repository: Repository): Promise<void> {
  const refs = await listRefs(repository, CHECKPOINT_REF_PREFIX);
  await updateRefs(
    repository,
    refs.map(({ ref }) => ({ ref, newCommit: null })),
  );
}

class JobRunner implements Runner {
  readonly #options: RunnerOptions;
  readonly #bases: BaseKeeper;
  readonly #radar: ConflictRadar;
  readonly #warm: WarmAgents;
  readonly #limits = { book: new SpendingBook(), gate: new ProviderGate() };
  readonly #active = new Map<
    string,
    { readonly controller: AbortController; readonly done: Promise<void> }
  >();
  readonly #ends: (() => void)[] = [];
  #isStopping = false;
  #leasing: Promise<void> | null = null;
  #leaseAgain = false;
  #leaseCount = 0;

  constructor(options: RunnerOptions, bases: BaseKeeper) {
    this.#options = options;
    this.#bases = bases;
    this.#warm = new WarmAgents(options.log);
    this.#radar = new ConflictRadar(options);
  }

  get activeCount(): number {
    return this.#active.size;
  }

  begin(): void {
    const { source, runnerId } = this.#options;
    const heartbeat = setInterval(() => source.heartbeat(runnerId), HEARTBEAT_MS);
    this.#ends.push(
      () => clearInterval(heartbeat),
      source.onWork(() => this.#lease()),
      source.onCancel((jobId, how) => this.#active.get(jobId)?.controller.abort(how)),
    );
    this.#lease();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#leasing;
    for (const { controller } of this.#active.values()) controller.abort("stop" satisfies CancelReason);
    await Promise.all([...this.#active.values()].map((job) => job.done));
    await this.#warm.end();
    for (const end of this.#ends.splice(0)) end();
  }

  #lease(): void {
    if (this.#isStopping) return;
    if (this.#leasing !== null) {
      this.#leaseAgain = true;
      return;
    }
    this.#leasing = this.#leaseAll().finally(() => {
      this.#leasing = null;
    });
  }

  async #leaseAll(): Promise<void> {
    const { source, runnerId, log } = this.#options;
    do {
      this.#leaseAgain = false;
      this.#leaseCount += 1;
      const outcome = await source.submit(
        {
          type: "job.lease",
          runnerId,
          kinds: ["attempt", "build", "validate", "move", "regenerate"],
          limit: LEASE_LIMIT,
        },
        `lease:${runnerId}:${this.#leaseCount}`,
      );
      if (outcome.type === "rejection") {
        log.error({ code: outcome.code }, "the room leases no jobs");
        return;
      }
      for (const leased of parseLeased(outcome.result)) this.#begin(leased);
    } while (this.#leaseAgain && !this.#isStopping);
  }

  #begin(leased: LeasedJob): void {
    const { jobId } = leased.job;
    const controller = new AbortController();
    const done = this.#carryOut(leased, controller.signal)
      .catch((error: unknown) => {
        this.#options.log.error({ jobId, error }, "a job ended with an error nobody expected");
      })
      .finally(() => {
        this.#active.delete(jobId);
      });
    this.#active.set(jobId, { controller, done });
  }

  async #carryOut({ job, payload }: LeasedJob, signal: AbortSignal): Promise<void> {
    const lease: Lease & { readonly jobId: JobId } = { jobId: job.jobId, fence: job.fence };
    const person = await this.#options.readPerson();
    const named = payload.kind === "validate" ? payload.trial.checkout : payload.checkout;
    const checkout = named ?? this.#options.checkout;
    const options = { ...this.#options, checkout };
    const config = await this.#readConfigFor(lease, checkout, payload.kind === "attempt");
    if (config === null) return;
    if (payload.kind === "attempt") {
      await runAttempt(
        {
          ...options,
          bases: this.#bases,
          radar: this.#radar,
          warm: this.#warm,
          limits: this.#limits,
          config,
          person,
        },
        lease,
        payload,
        signal,
      );
      return;
    }
    const context = { ...options, config, person, signal };
    await runQueueJob(context, lease, payload);
    if (payload.kind === "move")
      this.#warm.refresh().catch((error: unknown) => {
        this.#options.log.warn({ error }, "agents that wait were not brought up to date");
      });
  }

  /** A configuration that broke during a run fails the attempt with the reason; landing goes on when it is mended. */
  async #readConfigFor(
    lease: Lease & { readonly jobId: JobId },
    checkout: string,
    isAttempt: boolean,
  ): Promise<ProjectConfig | null> {
    const { source, readConfig } = this.#options;
    try {
      return await readConfig(checkout);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (isAttempt) {
        const failure = { cause: "configuration" as const, message, agentError: null, retryAfterMs: null };
        const usage = {
          inputTokens: 0,
          outputTokens: 0,
          cacheReadTokens: 0,
          cacheWriteTokens: 0,
          costUsd: null,
        };
        const result = {
          lost: [],
          outcome: "failed" as const,
          baseCommit: null,
          capture: null,
          failure,
          summary: "",
          usage,
          parkedFor: null,
          steps: 0,
        };
        await source.submit(
          { type: "attempt.finish", ...lease, result },
          `finish:${lease.jobId}:${lease.fence}`,
        );
      } else {
        await source.submit(
          { type: "job.fail", ...lease, reason: message, how: "retry" },
          `fail:${lease.jobId}:${lease.fence}`,
        );
      }
      return null;
    }
  }
}
