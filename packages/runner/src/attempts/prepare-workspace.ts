import type { AttemptJob, Json, ProjectConfig } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol";
import type { Repository } from "@canopy/git";
import { readRef } from "@canopy/git";
import type { AgentSecrets } from "./keep-keys.ts";
import type { BaseKeeper } from "./base-keeper.ts";
import { createSandboxSettings } from "@canopy/workspace";
import type { Workspace, WorkspaceStore } from "@canopy/workspace";
import { createCheckoutSource, sortBring } from "../checkout/create-checkout-source.ts";

/** What prepareWorkspace needs. */
export interface WorkspacePlan {
  readonly repository: Repository;
  readonly workspaces: WorkspaceStore;
  readonly bases: BaseKeeper;
  readonly project: { readonly projectId: string; readonly name: string };
  /** The user's checkout, from which ignored but needed files are brought. */
  readonly checkout: string;
  readonly config: ProjectConfig;
  readonly job: AttemptJob;
  readonly environment: AgentSecrets;
  /** For a workspace that is made before its attempt is known: its name, instead of the attempt's. */
  readonly spareId?: string;
  /** The commit to start from; left out: the integration branch's tip. */
  readonly start?: string;
  /** What a recovery after a crash needs to know beside the job. */
  readonly note: { readonly parent: string | null; readonly memory: readonly string[] };
  readonly signal: AbortSignal;
}

/** A workspace, and what to call when its base need not be kept any longer. */
export interface PreparedWorkspace {
  readonly workspace: Workspace;
  readonly release: () => Promise<void>;
}

/** What is written beside a workspace, so that its work can be captured after a crash. Versioned. */
export interface WorkspaceNote {
  readonly version: 1;
  readonly attemptId: AttemptJob["attemptId"];
  readonly taskId: AttemptJob["taskId"];
  readonly sessionId: AttemptJob["sessionId"];
  readonly title: string;
  readonly agent: string;
  readonly model: string | null;
  readonly askedBy: string;
  /** What the work's commit stands on; null: the workspace's own commit. */
  readonly parent: string | null;
  /** Where the agent keeps its conversations, below HOME. */
  readonly memory: readonly string[];
}

function createNote({ job, note }: Pick<WorkspacePlan, "job" | "note">): WorkspaceNote {
  const { attemptId, taskId, sessionId, title, agent, model, askedBy } = job;
  return { version: 1, attemptId, taskId, sessionId, title, agent, model, askedBy, ...note };
}

/** The integration branch's tip, or where it will begin. Throws `workspace.failed` when there is neither. */
export async function readBase(
  repository: Repository,
  job: Pick<AttemptJob, "integrationRef" | "baseBranch">,
): Promise<string> {
  const tip =
    (await readRef(repository, job.integrationRef)) ??
    (await readRef(repository, `refs/heads/${job.baseBranch}`));
  if (tip !== null) return tip;
  throw new CanopyError(
    "workspace.failed",
    `neither ${job.integrationRef} nor branch ${job.baseBranch} exists`,
  );
}

/**
 * Makes the workspace of an attempt at the integration branch's tip. The base commit is recorded and kept alive, so the
 * agent's view never changes under it. Throws `workspace.failed`, `disk.full`, `cancelled`.
 */
export async function prepareWorkspace(plan: WorkspacePlan): Promise<PreparedWorkspace> {
  const commit = plan.start ?? (await readBase(plan.repository, plan.job));
  const release = await plan.bases.keep(commit);
  try {
    const workspaceId = plan.spareId ?? plan.job.attemptId;
    const metadata = plan.spareId === undefined ? createMetadata(plan) : null;
    return { workspace: await createWorkspaceAt({ ...plan, workspaceId, metadata }, commit), release };
  } catch (error) {
    await release();
    throw error;
  }
}

/** What making a workspace needs; without a `metadata` nothing of it is looked for after a crash. */
export interface WorkspaceOrder extends Omit<WorkspacePlan, "job" | "bases" | "note" | "spareId" | "start"> {
  readonly job: Pick<AttemptJob, "agent" | "ladder" | "baseBranch">;
  readonly workspaceId: string;
  readonly metadata: Json;
}

/** Makes a workspace at a commit that is alive as long as it stands. Throws what prepareWorkspace throws. */
export async function createWorkspaceAt(plan: WorkspaceOrder, commit: string): Promise<Workspace> {
  const { repository, job } = plan;
  const config = plan.config.workspace;
  const own = Object.hasOwn(plan.config.agents, job.agent) ? plan.config.agents[job.agent] : undefined;
  const sandbox = await createSandboxSettings({
    config: plan.config.sandbox,
    role: job.ladder === null || job.ladder.rung === "hand-back" ? "worker" : job.ladder.rung,
    agent: job.agent,
    commandLine: [own?.command ?? "", ...(own?.args ?? [])],
    environment: plan.environment.given,
    logins: plan.environment.logins,
    readOnly: [repository.objectDirectory],
  });
  return await plan.workspaces.createWorkspace({
    workspaceId: plan.workspaceId,
    project: plan.project,
    source: createCheckoutSource(repository, commit, job.baseBranch),
    bring: await sortBring(plan.checkout, config.bring),
    ...(config.setup === undefined ? {} : { setupCommand: config.setup }),
    portCount: config.ports,
    environment: { inherit: plan.environment.inherited },
    sandbox,
    metadata: plan.metadata,
    signal:
      config.setup === undefined
        ? plan.signal
        : AbortSignal.any([plan.signal, AbortSignal.timeout(config.setup_timeout)]),
  });
}

/** What is written beside the workspace of an attempt. */
export function createMetadata(plan: Pick<WorkspacePlan, "job" | "note">): Json {
  const note = createNote(plan);
  return { ...note, memory: [...note.memory] };
}
