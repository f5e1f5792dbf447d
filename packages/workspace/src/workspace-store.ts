import type { Json } from "@canopy/protocol";
import type { BringRequest } from "./bring-along.ts";
import type { BackendChoice } from "./detect-backend.ts";
import type { CheckoutSource } from "./layer-store.ts";
import type { SandboxSettings } from "./sandbox/sandbox-settings.ts";
import type { EnvironmentRequest } from "./workspace-environment.ts";
import type { WorkspaceProject } from "./workspace-layout.ts";
import type { BackendName } from "./workspace-metadata.ts";
import type { Workspace } from "./workspace.ts";

/** What a workspace is to be. */
export interface CreateWorkspaceOptions {
  /** Unique in the cache; letters, digits, `.`, `_` and `-`. Processes inside find it in `CANOPY_ATTEMPT`. */
  readonly workspaceId: string;
  readonly project: WorkspaceProject;
  readonly source: CheckoutSource;
  readonly bring?: BringRequest;
  /** A shell command to run inside before the workspace is handed out. */
  readonly setupCommand?: string;
  /** How many neighbouring free ports to set aside. */
  readonly portCount?: number;
  readonly environment?: EnvironmentRequest;
  /** What its processes may reach; level `process` when it is not said. */
  readonly sandbox?: SandboxSettings;
  /** Whatever the caller needs to know about it after a crash. */
  readonly metadata?: Json;
  readonly signal?: AbortSignal;
}

/** A workspace whose owner is gone, or that was kept. Its processes are dead and its mounts gone; its files are there. */
export interface StaleWorkspace {
  readonly workspaceId: string;
  readonly projectId: string;
  readonly commit: string;
  readonly backend: BackendName;
  readonly metadata: Json;
  /** False when it was never finished, so that nothing of an agent's can be in it. */
  readonly isComplete: boolean;
  /** True when its owner left it on purpose. */
  readonly isKept: boolean;
  /** Mounts it again, for capture. The workspace's own `dispose` removes it. Codes: `workspace.failed`. */
  open(): Promise<Workspace>;
  /** Removes it. */
  dispose(): Promise<void>;
}

/** Makes workspaces in a cache folder and finds those that a dead process left. Several stores may share a cache. */
export interface WorkspaceStore extends AsyncDisposable {
  readonly choice: BackendChoice;
  /**
   * Makes a workspace. Codes: `workspace.failed` (with the output of a failed setup command), `disk.full`, `cancelled`, and
   * whatever `source.populate` throws. Nothing is left of one that could not be made.
   */
  createWorkspace(options: CreateWorkspaceOptions): Promise<Workspace>;
  /** Takes over the workspaces whose owner is dead, and those kept. Each is handed to one store only. Oldest first. */
  recover(): Promise<StaleWorkspace[]>;
}
