import { randomBytes } from "node:crypto";
import { stat } from "node:fs/promises";
import { platform } from "node:process";
import { CanopyError } from "@canopy/protocol";
import type { BuiltWorkspace } from "../build-workspace.ts";
import { createSeatbeltProvider } from "../seatbelt/seatbelt-provider.ts";
import { createContainerProvider } from "../container/container-provider.ts";
import { isOverlayBackend, needsUserNamespace } from "../mount-script.ts";
import { startNamespaceHolder } from "../namespace-holder.ts";
import type { NamespaceHolder } from "../namespace-holder.ts";
import type { WorkspaceLayout } from "../workspace-layout.ts";
import type { BackendName } from "../workspace-metadata.ts";
import { WORKSPACE_MARKER } from "../workspace-view.ts";
import type { WorkspaceView } from "../workspace-view.ts";
import type { Refusal } from "./egress-proxy.ts";
import { copyConfigs } from "./copy-configs.ts";
import { copyLogins } from "./copy-logins.ts";
import { startLimitWatch } from "./limit-watch.ts";
import type { LimitWatch } from "./limit-watch.ts";
import { createLimitedView } from "./limited-view.ts";
import { openSandbox } from "./open-sandbox.ts";
import { createUnavailable } from "./sandbox-unavailable.ts";
import type { Sandbox } from "./open-sandbox.ts";
import { cachesDirectory } from "./plan-caches.ts";
import { createFailureListener } from "./failure-signs.ts";
import type { FailureListener } from "./failure-signs.ts";
import { createMarkedTree, createNamespaceTree } from "./process-tree.ts";
import type { ProcessTree } from "./process-tree.ts";
import { NO_RESOURCE_GROUP, openResourceGroup } from "./resource-group.ts";
import type { ResourceGroup } from "./resource-group.ts";
import type { SandboxProvider } from "./sandbox-provider.ts";
import type { SandboxLevel, SandboxSettings } from "./sandbox-settings.ts";
import { createSandboxView } from "./sandbox-view.ts";
import { startTreeWatch } from "./tree-watch.ts";
import type { TreeLimits } from "./tree-watch.ts";

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
  readonly onRefusal: ((refusal: Refusal) => void) | undefined;
  /** False: limits are held as on a machine where no control group can be made. */
  readonly hasControlGroups: boolean;
}

/** A workspace's files with the processes' way to them. `sandbox` is null at the levels without one. */
export interface EnclosedWorkspace {
  readonly built: BuiltWorkspace;
  readonly level: SandboxLevel;
  /** What its egress proxy refused so far, if it has one. */
  readonly refusals: readonly Refusal[];
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

/** Folders that hold all that a workspace's processes can write and that is kept on a disk. */
function listWritten({ built, layout }: EncloseOptions): string[] {
  return [built.upperDirectory ?? layout.path, layout.homeDirectory, layout.tmpDirectory];
}

async function makeView(options: EncloseOptions, group: ResourceGroup): Promise<Enclosure> {
  const { built, layout, settings, backend, path, state } = options;
  // The programs that set limits are Linux's.
  if (settings.level === "process" && platform !== "linux")
    return { view: built.view, sandbox: null, tree: null };
  if (settings.level === "process") {
    const isCountedApart = isOverlayBackend(backend) && needsUserNamespace(backend);
    const { limits } = settings;
    const view = createLimitedView({ view: built.view, group, limits, isCountedApart });
    return { view, sandbox: null, tree: findTree(options) };
  }
  const { holder, withUserNamespace, view } = await hold(options);
  const sandbox = await openSandbox({
    layout,
    upperDirectory: built.upperDirectory,
    holder,
    withUserNamespace,
    settings,
    group,
    path,
    state,
    onRefusal: options.onRefusal,
  });
  return {
    view: createSandboxView({ workspaceId: layout.workspaceId, outer: view, sandbox, group }),
    sandbox,
    tree: sandbox.tree,
  };
}

interface Enclosure {
  readonly view: WorkspaceView;
  readonly sandbox: Sandbox | null;
  /** Null where somebody else counts what the processes take, or nobody does. */
  readonly tree: ProcessTree | null;
}

/** The processes of a workspace without a sandbox. */
function findTree({ built, layout }: EncloseOptions): ProcessTree {
  const { holder } = built.view;
  return holder === null
    ? createMarkedTree(`${WORKSPACE_MARKER}=${layout.workspaceId}`)
    : createNamespaceTree(holder);
}

/** What no control group holds. One that root could leave, as without a sandbox, is not relied on. */
function listUnheld({ settings }: EncloseOptions, { held }: Pick<ResourceGroup, "held">): TreeLimits {
  const { memoryBytes, processCount, cpuCount } = settings.limits;
  const canLeave = settings.level === "process" && process.getuid?.() === 0;
  return {
    ...(memoryBytes === undefined || (held.has("memoryBytes") && !canLeave) ? {} : { memoryBytes }),
    ...(processCount === undefined || (held.has("processCount") && !canLeave) ? {} : { processCount }),
    ...(cpuCount === undefined || held.has("cpuCount") ? {} : { cpuCount }),
  };
}

/** Caches that are the workspace's own to write into exist only in a sandbox. */
async function watchLimits(
  options: EncloseOptions,
  { view, sandbox, tree }: Enclosure,
): Promise<LimitWatch | null> {
  const caches = sandbox === null ? null : cachesDirectory(options.layout);
  const hasCaches = caches !== null && (await stat(caches).catch(() => null)) !== null;
  return await startLimitWatch({
    limits: options.settings.limits,
    folders: [...listWritten(options), ...(hasCaches ? [caches] : [])],
    tree,
    enter: view.enter,
    killAll: () => view.killAll(),
  });
}

/** What is at an end as soon as one limit is. */
function firstHit(watches: readonly LimitWatch[]): string | null {
  return watches.map(({ hit }) => hit).find((hit) => hit !== null) ?? null;
}

function enclose(options: EncloseOptions, made: Enclosure, rest: EnclosureRest): EnclosedWorkspace {
  const { view } = made;
  const { group, watches, listener } = rest;
  const guarded: WorkspaceView = {
    ...view,
    async start(command, cwd, env) {
      const hit = firstHit(watches);
      if (hit !== null)
        throw new CanopyError("workspace.failed", `the workspace's processes were killed: ${hit}`, {
          hint: "Raise the limit in [sandbox.limits], or give the agent less to do at once.",
        });
      const handle = await view.start(command, cwd, env);
      // It was hit while this one was on its way in, too late to be killed with the others.
      if (firstHit(watches) !== null) await view.killAll();
      return listener === null ? handle : listener.listen(handle);
    },
    async [Symbol.asyncDispose](): Promise<void> {
      for (const watch of watches) await watch[Symbol.asyncDispose]();
      await view[Symbol.asyncDispose]();
    },
  };
  return {
    built: { ...options.built, view: guarded },
    level: options.settings.level,
    refusals: made.sandbox?.refusals ?? [],
    async describeLimitHit() {
      for (const each of [...watches, group]) {
        const hit = await each.describeHit();
        if (hit !== null) return hit;
      }
      return listener?.describeHit() ?? null;
    },
  };
}

/** Who makes the level, when it is not this package by namespaces. */
function findProvider({ level, container }: SandboxSettings): SandboxProvider | null {
  if (level === "container") return createContainerProvider(container.image, container.engine);
  return level === "sandbox" && platform === "darwin" ? createSeatbeltProvider() : null;
}

/** The files are a plain folder: see `Store.#create`. */
async function encloseByProvider(
  options: EncloseOptions,
  provider: SandboxProvider,
): Promise<EnclosedWorkspace> {
  const { built, layout, settings, state, onRefusal } = options;
  const provided = await provider.open({ layout, view: built.view, settings, state, onRefusal });
  const { view, refusals } = provided;
  const made = { view, sandbox: null, tree: null };
  try {
    const watch = await watchLimits(options, made);
    const { openFileCount } = settings.limits;
    const enclosed = enclose(options, made, {
      group: provided,
      watches: watch === null ? [] : [watch],
      listener: openFileCount === undefined ? null : createFailureListener({ openFileCount }),
    });
    return { ...enclosed, refusals };
  } catch (error) {
    await view[Symbol.asyncDispose]();
    throw error;
  }
}

interface EnclosureRest {
  readonly group: Pick<ResourceGroup, "describeHit">;
  readonly watches: readonly LimitWatch[];
  readonly listener: FailureListener | null;
}

async function watchAll(
  options: EncloseOptions,
  made: Enclosure,
  group: ResourceGroup,
): Promise<EnclosureRest> {
  const unheld = listUnheld(options, group);
  const written = await watchLimits(options, made);
  const { tree, view } = made;
  const taken =
    tree === null ? null : startTreeWatch({ limits: unheld, tree, killAll: () => view.killAll() });
  const { openFileCount } = options.settings.limits;
  const { memoryBytes, processCount } = unheld;
  const signs = Object.entries({ memoryBytes, processCount, openFileCount }).filter(
    ([, value]) => value !== undefined,
  );
  return {
    group,
    watches: [written, taken].filter((each) => each !== null),
    listener: signs.length === 0 ? null : createFailureListener(Object.fromEntries(signs)),
  };
}

/**
 * Puts the level's walls around a workspace. Throws `sandbox.unavailable` when the level cannot be had, and leaves nothing of
 * the try; the caller still owns `built`.
 */
export async function encloseWorkspace(options: EncloseOptions): Promise<EnclosedWorkspace> {
  const { built, layout, settings } = options;
  const none = (): Promise<null> => Promise.resolve(null);
  if (settings.level === "none") return { built, level: "none", refusals: [], describeLimitHit: none };
  await copyConfigs(settings, layout);
  await copyLogins(settings, layout);
  const provider = findProvider(settings);
  if (provider !== null) return await encloseByProvider(options, provider);
  const name = `${layout.workspaceId}-${randomBytes(3).toString("hex")}`;
  const group = options.hasControlGroups ? await openResourceGroup(name, settings.limits) : NO_RESOURCE_GROUP;
  try {
    const made = await makeView(options, group);
    try {
      return enclose(options, made, await watchAll(options, made, group));
    } catch (error) {
      await made.view[Symbol.asyncDispose]();
      throw error;
    }
  } catch (error) {
    await built.view[Symbol.asyncDispose]();
    await group[Symbol.asyncDispose]();
    throw error;
  }
}
