import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type {
  Actor,
  DeliverReport,
  DeliverRequest,
  Project,
  ProjectConfig,
  Run,
  RunPlan,
  RunRequest,
  TaskId,
} from "@canopy/protocol";
import { CanopyError, REJECTION_ERROR_CODES, brandId, createId, isCanopyError } from "@canopy/protocol";
import { resolveAgent } from "@canopy/agents";
import {
  explainFilter,
  integrationRefOf,
  projectRoomAddress,
  resolveTask,
  selectReadyTasks,
  selectTasks,
} from "@canopy/core";
import type { Repository, RepositoryIdentity, SyncBaseResult } from "@canopy/git";
import {
  deliverFastForward,
  openMergeEngine,
  openRepository,
  planDelivery,
  readRef,
  readRepositoryIdentity,
  requireBranch,
  requireWritable,
  syncBase,
  worktreesWithBranch,
} from "@canopy/git";
import type { AgentHomes, JobSource, Runner, RunnerLog } from "@canopy/runner";
import { createBdTaskSource, startRunner } from "@canopy/runner";
import type { Asked, StartedRun } from "@canopy/server";
import type { AgentToolServer } from "@canopy/server/mcp";
import type { WorkspaceStore } from "@canopy/workspace";
import { loadConfig } from "../config/load-config.ts";
import type { HostedRoom } from "../rooms/hosted-room.ts";
import { expireImages } from "../images/expire-images.ts";
import type { ImageStore } from "../images/image-store.ts";
import type { NodeRoomHost } from "../rooms/open-room-host.ts";
import { expireKeptPatches } from "../queue/kept-patches.ts";
import { createSessionHost } from "../sessions/create-session-host.ts";
import { TrackerSync } from "../task-sources/tracker-sync.ts";
import { buildRunOptions } from "./build-run-options.ts";
import { createJobSource } from "./create-job-source.ts";
import { toReportBlocker } from "./describe-delivery.ts";
import { ProjectModels } from "./project-models.ts";
import { requireAgentProgram } from "./require-agent-program.ts";
import { noteUnpricedBudgets } from "./unpriced-budgets.ts";
import { wantedModels } from "./wanted-models.ts";

/** Every try that loses the race means that somebody else's move succeeded. */
const MAX_SYNC_TRIES = 20;
const EXPIRE_EVERY_MS = 3_600_000;

/** What an open project needs of the daemon. */
export interface ProjectContext {
  readonly host: NodeRoomHost;
  readonly workspacesFor: (config: ProjectConfig) => Promise<WorkspaceStore>;
  /** Stays the same over restarts. */
  readonly hostId: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The agents' tools. */
  readonly tools: AgentToolServer;
  /** What agents remember between the attempts of a session. */
  readonly homes: AgentHomes;
  /** Pictures of tasks and prompts. */
  readonly images: ImageStore;
  readonly log: RunnerLog;
}

/** What a plan shows instead of an agent's name when nobody chose one. */
const NO_AGENT = "(no agent chosen)";
/** The main work tree, so that it does not matter from which linked one a project was seen first. */
function mainWorktreeOf({ commonDir, worktreeRoot }: RepositoryIdentity): string {
  const isUsual = basename(commonDir) === ".git" && existsSync(join(dirname(commonDir), ".git"));
  return isUsual ? dirname(commonDir) : worktreeRoot;
}

/** One repository in the hands of this daemon: its room, its object database, its runner. */
export class OpenProject implements AsyncDisposable {
  readonly project: Project;
  readonly repository: Repository;
  readonly source: JobSource;
  readonly models: ProjectModels;
  readonly #context: ProjectContext;
  #runner: Promise<Runner> | null = null;
  #tracker: TrackerSync | null = null;
  #expiry: NodeJS.Timeout | null = null;

  private constructor(project: Project, repository: Repository, context: ProjectContext) {
    this.project = project;
    this.repository = repository;
    this.#context = context;
    this.source = createJobSource(context.host, project.projectId);
    this.models = new ProjectModels({ ...context, repository, project });
  }

  /** Registers the project of a repository, if it is new, and opens it. */
  static register(identity: RepositoryIdentity, actor: Actor, context: ProjectContext): OpenProject {
    const node = context.host.room("node");
    if (node === undefined) throw new Error("broken invariant: there is a node room");
    const path = mainWorktreeOf(identity);
    const project = {
      projectId: identity.projectId,
      name: basename(path),
      path,
      commonDirectory: identity.commonDir,
    };
    const answer = node.submit({
      key: `register:${createId("command", Date.now(), Math.random())}`,
      actor,
      command: { type: "project.register", ...project },
    });
    if (answer.type === "rejection") throw new CanopyError("internal", answer.message);
    return new OpenProject({ ...project, addedAtMs: Date.now() }, openRepository(identity), context);
  }

  /** Opens a project that this device knows already. Throws when its repository is gone. */
  static async reopen(project: Project, context: ProjectContext): Promise<OpenProject> {
    const identity = await readRepositoryIdentity(project.path);
    if (identity.projectId !== project.projectId) {
      throw new CanopyError("repository.not-found", `${project.path} is another repository now`);
    }
    return new OpenProject(project, openRepository(identity), context);
  }

  get room(): HostedRoom {
    const room = this.#context.host.room(projectRoomAddress(this.project.projectId));
    if (room === undefined) throw new Error(`broken invariant: project ${this.project.projectId} has a room`);
    return room;
  }

  /** Starts the project's runner, once. It carries out every job of the room, whichever run it belongs to. */
  async ensureRunner(): Promise<Runner> {
    this.#expiry ??= this.#expireRegularly();
    this.#runner ??= this.#startRunner().catch((error: unknown) => {
      this.#runner = null;
      throw error;
    });
    return await this.#runner;
  }

  /** Says which tasks a run would take, and why it would pass over the others. */
  async planRun(request: RunRequest): Promise<RunPlan> {
    const { options } = await this.#prepareRun(request, NO_AGENT);
    const ready = this.room.read((sql) => selectReadyTasks(sql, Date.now()));
    const judged = ready.map((task) => ({ task, reason: explainFilter(task, options.filter) }));
    return {
      agent: options.agent,
      baseBranch: options.baseBranch,
      integrationBranch: integrationRefOf(options.baseBranch).replace("refs/heads/", ""),
      ready: judged.filter((item) => item.reason === null).map((item) => item.task),
      passedOver: judged.flatMap(({ task, reason }) => (reason === null ? [] : [{ task, reason }])),
    };
  }

  /** Checks everything that can be wrong before anything starts, takes the user's commits in, and starts a run. */
  async startRun(request: RunRequest, { actor, key }: Asked): Promise<StartedRun> {
    const { options, identity, notices } = await this.#prepareRun(request);
    await requireWritable(identity);
    await this.#syncIntegration(options.baseBranch, actor);
    await this.#pullTracker();
    await this.ensureRunner();
    const answer = this.room.submit({
      key: `run:${key}`,
      actor,
      command: { type: "run.start", options },
    });
    if (answer.type === "rejection")
      throw new CanopyError(REJECTION_ERROR_CODES[answer.code], answer.message);
    return { run: parseRun(answer.result), notices };
  }

  /** Brings landed work to the user's branch by a fast-forward, or says what stands in the way. */
  async deliver(request: DeliverRequest): Promise<DeliverReport> {
    const identity = await readRepositoryIdentity(request.path);
    const branch = requireBranch(identity);
    const integrationRef = integrationRefOf(branch);
    const tip = await readRef(this.repository, integrationRef);
    const from = await readRef(this.repository, `refs/heads/${branch}`);
    const report: DeliverReport = {
      state: "nothing-to-deliver",
      branch,
      integrationBranch: integrationRef.replace("refs/heads/", ""),
      fromCommit: from,
      toCommit: tip,
      commitCount: 0,
      blockers: [],
      conflicts: [],
    };
    if (tip === null) return report;
    const commitCount = await this.#countCommits(`refs/heads/${branch}`, tip);
    if (commitCount === 0) return report;
    const synced = request.dryRun ? null : await this.#syncBase(branch, "canopy");
    if (synced?.state === "conflicted") {
      return {
        ...report,
        state: "blocked",
        commitCount,
        conflicts: synced.files.map(({ path, kind }) => ({ path, kind })),
      };
    }
    const plan = await planDelivery(this.repository, { integrationRef, branch });
    if (plan.state === "up-to-date") return report;
    const toCommit = synced?.tip ?? tip;
    if (plan.state === "blocked") {
      return {
        ...report,
        state: "blocked",
        toCommit,
        commitCount,
        blockers: plan.blockers.map((item) => toReportBlocker(item)),
      };
    }
    if (request.dryRun) return { ...report, state: "ready", commitCount };
    await deliverFastForward(this.repository, { integrationRef, branch });
    return { ...report, state: "delivered", toCommit, commitCount };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#expiry !== null) clearInterval(this.#expiry);
    const runner = await this.#runner?.catch(() => null);
    await runner?.stop();
    await this.#tracker?.[Symbol.asyncDispose]();
    await this.repository[Symbol.asyncDispose]();
  }

  async #prepareRun(
    request: RunRequest,
    agentWhenNone?: string,
  ): Promise<{
    readonly options: Run["options"];
    readonly identity: RepositoryIdentity;
    readonly notices: readonly string[];
  }> {
    const identity = await readRepositoryIdentity(request.path);
    const baseBranch = requireBranch(identity);
    if (baseBranch.startsWith("canopy/")) {
      throw new CanopyError(
        "repository.branch-checked-out",
        `${baseBranch} is checked out, and Canopy lands work on it`,
        {
          hint: `check out ${baseBranch.slice("canopy/".length)} or another branch of your own`,
        },
      );
    }
    const config = await loadConfig(identity.worktreeRoot);
    const taskIds = (request.tasks ?? []).map((reference) => this.#findTask(reference));
    const none = agentWhenNone === undefined ? {} : { agentWhenNone };
    const options = buildRunOptions({
      request,
      config,
      baseBranch,
      checkout: identity.worktreeRoot,
      taskIds,
      ...none,
    });
    let notices: readonly string[] = [];
    if (options.agent !== agentWhenNone) {
      const checkout = identity.worktreeRoot;
      const agent = resolveAgent(options.agent, config.agents, checkout);
      await requireAgentProgram(agent, this.#context.environment);
      const ready = this.room.read((sql) => selectTasks(sql, { statuses: ["open"] }));
      const tasks = ready.filter((task) => explainFilter(task, options.filter) === null);
      const agents = [options.agent, ...tasks.flatMap((task) => task.agent ?? [])];
      notices = [
        ...noteUnpricedBudgets(config, agents, checkout),
        ...(await this.models.require(wantedModels(options, config, tasks), {
          checkout,
          config,
          baseBranch,
        })),
      ];
    }
    return { options, identity, notices };
  }

  #findTask(reference: string): TaskId {
    const resolved = this.room.read((sql) => resolveTask(sql, reference));
    if (resolved.type === "task") return resolved.task.taskId;
    throw new CanopyError(REJECTION_ERROR_CODES[resolved.code], resolved.message);
  }

  async #syncIntegration(baseBranch: string, actor: Actor): Promise<void> {
    const integrationRef = integrationRefOf(baseBranch);
    if ((await readRef(this.repository, "refs/heads/canopy")) !== null) {
      throw new CanopyError(
        "usage.invalid",
        "a branch named 'canopy' stands where Canopy keeps its branches",
        {
          hint: "rename it: git branch -m canopy OTHER-NAME",
        },
      );
    }
    const branch = integrationRef.replace("refs/heads/", "");
    const [worktree] = await worktreesWithBranch(this.repository, branch);
    if (worktree !== undefined) {
      throw new CanopyError("repository.branch-checked-out", `${branch} is checked out in ${worktree}`, {
        hint: "check out another branch there: Canopy lands work on it",
      });
    }
    const synced = await this.#syncBase(baseBranch, actor.id);
    if (synced.state !== "conflicted") return;
    const files = synced.files.map((file) => file.path).join(", ");
    throw new CanopyError(
      "conflict",
      `your commits on ${baseBranch} conflict with landed work on ${branch} in: ${files}`,
      {
        hint: `merge ${branch} into ${baseBranch} yourself, then start the run again`,
      },
    );
  }

  /** Takes the user's commits in; again when a landing or another run moved the branch meanwhile. */
  async #syncBase(branch: string, fallbackName: string): Promise<SyncBaseResult> {
    const person = (await this.repository.readSettings()).person ?? {
      name: fallbackName,
      email: `${fallbackName}@canopy.invalid`,
    };
    for (let tries = 1; ; tries += 1) {
      try {
        return await syncBase(this.repository, {
          integrationRef: integrationRefOf(branch),
          branch,
          author: { ...person, atMs: Date.now() },
        });
      } catch (error) {
        const isRace = isCanopyError(error) && error.code === "git.ref-moved";
        if (!isRace || tries >= MAX_SYNC_TRIES) throw error;
      }
    }
  }

  /** With another tracker configured, its tasks are taken over before a run starts. */
  async #pullTracker(): Promise<void> {
    const config = await loadConfig(this.project.path);
    if (config.tasks.source === "built-in") return;
    this.#tracker ??= this.#openTracker();
    await this.#tracker.pull();
  }

  #openTracker(): TrackerSync {
    const { log, environment } = this.#context;
    const env = Object.fromEntries(
      Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
    // A `bd` that is Canopy itself must not become the tracker of the board that it shows.
    const trackerEnv = { ...env, CANOPY_IS_TRACKER: "1" };
    const source = createBdTaskSource({ cwd: this.project.path, env: trackerEnv }, (text) =>
      log.warn({ text }, "the tracker said something odd"),
    );
    return new TrackerSync({ source, room: this.room, log });
  }

  /** Kept work that the policy says is old enough goes now and from time to time: it is what bounds refs and disk. */
  #expireRegularly(): NodeJS.Timeout {
    const expire = async (): Promise<void> => {
      const { keep_attempts: attemptsMs, keep_failed: failedMs } = (await loadConfig(this.project.path))
        .queue;
      const options = { keep: { attemptsMs, failedMs }, nowMs: Date.now(), isDryRun: false };
      const expired = await expireKeptPatches(this, options);
      if (expired.length > 0) this.#context.log.info({ count: expired.length }, "old kept work has expired");
      await expireImages(this.#context, this.project.projectId, attemptsMs);
    };
    const run = (): void => {
      expire().catch((error: unknown) =>
        this.#context.log.warn({ error }, "old kept work could not be expired"),
      );
    };
    return setInterval(run, EXPIRE_EVERY_MS).unref();
  }

  async #countCommits(from: string, to: string): Promise<number> {
    const output = await this.repository.git(["rev-list", "--count", `${from}..${to}`]);
    return Number(output.stdout.toString("utf8").trim());
  }

  async #startRunner(): Promise<Runner> {
    const { source: trackerName } = (await loadConfig(this.project.path)).tasks;
    if (trackerName !== "built-in") this.#tracker ??= this.#openTracker();
    const { repository, project, source } = this;
    const { host, tools, homes, images, environment, log, hostId, workspacesFor } = this.#context;
    const readConfig = async (checkout: string): Promise<ProjectConfig> => await loadConfig(checkout);
    return await startRunner({
      runnerId: brandId("runner", createId("runner", Date.now(), Math.random())),
      hostId,
      source,
      repository,
      engine: openMergeEngine(repository),
      workspaces: await workspacesFor(await readConfig(project.path)),
      project: { projectId: project.projectId, name: project.name },
      checkout: project.path,
      readConfig,
      readPerson: async () => {
        repository.refreshSettings();
        return (await repository.readSettings()).person;
      },
      environment,
      sessions: createSessionHost({ host, projectId: project.projectId, tools, images }),
      homes,
      claimTask: async (taskId, holder) =>
        (await this.#tracker?.claim(taskId, holder)) ?? { type: "claimed" },
      log,
      now: () => Date.now(),
    });
  }
}

function parseRun(result: unknown): Run {
  return Reflect.get(result as object, "run") as Run;
}
