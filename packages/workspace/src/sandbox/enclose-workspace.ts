import { randomBytes } from "node:crypto";
import type { BuiltWorkspace } from "../build-workspace.ts";
import { isOverlayBackend, needsUserNamespace } from "../mount-script.ts";
import { startNamespaceHolder } from "../namespace-holder.ts";
import type { NamespaceHolder } from "../namespace-holder.ts";
import type { WorkspaceLayout } from "../workspace-layout.ts";
import type { BackendName } from "../workspace-metadata.ts";
import type { WorkspaceView } from "../workspace-view.ts";
import { createUnavailable, openSandbox } from "./open-sandbox.ts";
import type { Sandbox } from "./open-sandbox.ts";
import { openResourceGroup } from "./resource-group.ts";
import type { SandboxSettings } from "./sandbox-settings.ts";
import { createSandboxView } from "./sandbox-view.ts";

/** A workspace to be enclosed. */
export interface EncloseOptions {
  readonly built: BuiltWorkspace;
  readonly layout: WorkspaceLayout;
  readonly backend: BackendName;
  readonly settings: SandboxSettings;
  /** PATH of the processes. */
  readonly path: string;
  /** Folders of the daemon's own. */
  readonly state: readonly string[];
}

/** A workspace's files with the processes' way to them. `sandbox` is null at the levels without one. */
export interface EnclosedWorkspace {
  readonly built: BuiltWorkspace;
  readonly sandbox: Sandbox | null;
  /** Which limit of the workspace was hit, such as `memory limit 4 GB`. */
  describeLimitHit(): Promise<string | null>;
}

interface Held {
  readonly holder: NamespaceHolder;
  readonly withUserNamespace: boolean;
  readonly view: WorkspaceView;
}

/** A plain folder has no namespace to stand in: it gets one. */
async function hold({ built, backend, layout }: EncloseOptions): Promise<Held> {
  const { view } = built;
  if (view.holder !== null && isOverlayBackend(backend))
    return { holder: view.holder, withUserNamespace: needsUserNamespace(backend), view };
  const withUserNamespace = process.getuid?.() !== 0;
  const holder = await startNamespaceHolder({
    withUserNamespace,
    cwd: layout.directory,
    script: ":",
    args: [],
  }).catch((error: unknown) => {
    throw createUnavailable(error instanceof Error ? error.message : String(error));
  });
  const dispose = async (): Promise<void> => {
    await holder[Symbol.asyncDispose]();
    await view[Symbol.asyncDispose]();
  };
  return { holder, withUserNamespace, view: { ...view, [Symbol.asyncDispose]: dispose } };
}

/**
 * Puts the level's walls around a workspace. Throws `sandbox.unavailable` when the level cannot be had, and leaves nothing of
 * the try; the caller still owns `built`.
 */
export async function encloseWorkspace(options: EncloseOptions): Promise<EnclosedWorkspace> {
  const { built, layout, settings } = options;
  const none = (): Promise<null> => Promise.resolve(null);
  if (settings.level === "container") throw createUnavailable("containers are not supported by this version");
  if (settings.level !== "sandbox") return { built, sandbox: null, describeLimitHit: none };
  const group = await openResourceGroup(
    `${layout.workspaceId}-${randomBytes(3).toString("hex")}`,
    settings.limits,
  );
  try {
    const { holder, withUserNamespace, view } = await hold(options);
    const { upperDirectory } = built;
    const { path, state } = options;
    const sandbox = await openSandbox({
      layout,
      upperDirectory,
      holder,
      withUserNamespace,
      settings,
      group,
      path,
      state,
    });
    const enclosed = createSandboxView({ workspaceId: layout.workspaceId, outer: view, sandbox, group });
    return { built: { ...built, view: enclosed }, sandbox, describeLimitHit: () => group.describeHit() };
  } catch (error) {
    await built.view[Symbol.asyncDispose]();
    await group[Symbol.asyncDispose]();
    throw error;
  }
}
