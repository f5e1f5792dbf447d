import { mkdir, readdir, realpath, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { CanopyError } from "@canopy/protocol";
import type { Json } from "@canopy/protocol";
import { buildOverlay, buildPlain, makeOwnFolders, mountOverlay } from "./build-workspace.ts";
import type { BuiltWorkspace } from "./build-workspace.ts";
import { detectBackend } from "./detect-backend.ts";
import type { BackendChoice } from "./detect-backend.ts";
import { explainFailure } from "./disk-failure.ts";
import { layerFiles, openLayerStore } from "./layer-store.ts";
import type { LayerStore } from "./layer-store.ts";
import { isOverlayBackend } from "./mount-script.ts";
import type { OverlayBackend } from "./mount-script.ts";
import type { Refusal, RefusalRecord } from "./sandbox/egress-proxy.ts";
import { encloseWorkspace } from "./sandbox/enclose-workspace.ts";
import type { EnclosedWorkspace } from "./sandbox/enclose-workspace.ts";
import { PROCESS_SETTINGS } from "./sandbox/sandbox-settings.ts";
import { takePortBlock } from "./port-block.ts";
import { identifyProcess } from "./process-table.ts";
import type { ProcessIdentity } from "./process-table.ts";
import { openTrash } from "./remove-tree.ts";
import type { Trash } from "./remove-tree.ts";
import { runSetup } from "./run-setup.ts";
import { listAbandoned, nameHalfMade, listUsedLayers, takeOver } from "./stale-workspaces.ts";
import type { TakenWorkspace } from "./stale-workspaces.ts";
import { createWorkspaceEnvironment, openEnvironment } from "./workspace-environment.ts";
import { layOut, layersDirectory, mountPath } from "./workspace-layout.ts";
import type { WorkspaceLayout, WorkspaceProject } from "./workspace-layout.ts";
import { writeMetadata } from "./workspace-metadata.ts";
import type { BackendName, WorkspaceMetadata } from "./workspace-metadata.ts";
import type { CreateWorkspaceOptions, StaleWorkspace, WorkspaceStore } from "./workspace-store.ts";
import { createPlainView } from "./workspace-view.ts";
import { createWorkspaceObject } from "./workspace.ts";
import type { Workspace } from "./workspace.ts";

/** Where workspaces are made, and how. */
export interface WorkspaceStoreOptions {
  readonly cacheDirectory: string;
  /** Makes workspaces in this way or not at all; without it the best that works here is found by trying. */
  readonly backend?: BackendName;
  /** How many full checkouts that nothing uses are kept per project. Default 2. */
  readonly keepBases?: number;
  /** How many differences that nothing uses are kept per project. Default 16. */
  readonly keepDeltas?: number;
  /** False: limits are held without control groups, as on machines where none can be made. For tests. */
  readonly hasControlGroups?: boolean;
  /** Folders of the daemon besides the cache that no sandbox shows. */
  readonly privateDirectories?: readonly string[];
  /** Told of what the egress proxies refuse, each once for a workspace. */
  readonly onRefusal?: (refusal: RefusalRecord) => void;
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (info) => info.isDirectory(),
    () => false,
  );
}

class Store implements WorkspaceStore {
  readonly choice: BackendChoice;
  readonly #cache: string;
  readonly #owner: ProcessIdentity;
  readonly #options: WorkspaceStoreOptions;
  readonly #trash: Trash;
  readonly #layers = new Map<string, LayerStore>();
  readonly #open = new Set<Workspace>();
  readonly #background = new Set<Promise<void>>();
  #creatingCount = 0;

  constructor(options: WorkspaceStoreOptions, choice: BackendChoice, owner: ProcessIdentity) {
    this.#options = options;
    this.#cache = options.cacheDirectory;
    this.choice = choice;
    this.#owner = owner;
    this.#trash = openTrash(join(this.#cache, "trash"));
  }

  async createWorkspace(options: CreateWorkspaceOptions): Promise<Workspace> {
    this.#creatingCount += 1;
    try {
      return await this.#create(options);
    } finally {
      this.#creatingCount -= 1;
    }
  }

  async recover(): Promise<StaleWorkspace[]> {
    this.#trash.sweep();
    const workspaces = join(this.#cache, "workspaces");
    const taken = await takeOver(workspaces, this.#owner);
    for (const projectId of await readdir(join(this.#cache, "projects")).catch(() => [])) {
      await this.#layersOf({ projectId, name: "" }).sweep();
    }
    for (const [folder, beginning] of [
      [workspaces, ".new-"],
      [this.#cache, ".try-"],
    ] as const) {
      for (const path of await listAbandoned(folder, beginning)) await this.#trash.discard(path);
    }
    return taken.map((each) => this.#createStale(each));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What is still open is not thrown away: the next owner of the cache finds it.
    await Promise.all([...this.#open].map((workspace) => workspace.keep()));
    while (this.#background.size > 0) await Promise.all(this.#background);
    await this.#trash.settle();
  }

  async #create(options: CreateWorkspaceOptions): Promise<Workspace> {
    const backend = this.#backendFor(options);
    const layout = layOut(this.#cache, options.workspaceId, options.project, backend);
    const metadata = this.#describe(options, layout);
    await this.#claimDirectory(layout, metadata);
    const ports = await takePortBlock(options.portCount ?? 0);
    let built: BuiltWorkspace | null = null;
    try {
      await makeOwnFolders(layout);
      built = await this.#build(options, layout, metadata);
      const isolated = createWorkspaceEnvironment(layout, ports.ports, options.environment);
      const env = options.sandbox?.level === "none" ? openEnvironment(isolated) : isolated;
      const enclosed = await encloseWorkspace({
        built,
        layout,
        backend,
        settings: options.sandbox ?? PROCESS_SETTINGS,
        path: env["PATH"] ?? "",
        hasControlGroups: this.#options.hasControlGroups ?? true,
        state: [this.#cache, ...(this.#options.privateDirectories ?? [])],
        onRefusal: (refusal) => this.#tellRefusal(refusal, options),
      });
      built = enclosed.built;
      if (options.setupCommand !== undefined) {
        await runSetup({
          command: options.setupCommand,
          view: built.view,
          cwd: layout.path,
          env,
          signal: options.signal,
        });
      }
      const final: WorkspaceMetadata = {
        ...metadata,
        state: "ready",
        layers: [...built.layers],
        brought: [...built.brought],
        ports: [...ports.ports],
      };
      await writeMetadata(layout.directory, final);
      return this.#register({
        metadata: final,
        layout,
        built,
        env,
        enclosed,
        onEnd: () => ports[Symbol.dispose](),
      });
    } catch (error) {
      const failure = await explainFailure(error, layout.directory);
      await built?.view[Symbol.asyncDispose]();
      ports[Symbol.dispose]();
      await this.#trash.discard(layout.directory);
      throw failure;
    }
  }

  #tellRefusal(refusal: Refusal, { project, workspaceId }: CreateWorkspaceOptions): void {
    this.#options.onRefusal?.({ ...refusal, projectId: project.projectId, workspaceId });
  }

  #describe(options: CreateWorkspaceOptions, layout: WorkspaceLayout): WorkspaceMetadata {
    return {
      version: 1,
      workspaceId: options.workspaceId,
      projectId: options.project.projectId,
      projectName: options.project.name,
      commit: options.source.commit,
      backend: this.#backendFor(options),
      state: "creating",
      owner: this.#owner,
      createdAtMs: Date.now(),
      layers: [],
      path: layout.path,
      brought: [],
      ports: [],
      metadata: options.metadata ?? null,
      ...(options.sandbox?.level === "container"
        ? { containerEngine: options.sandbox.container.engine }
        : {}),
    };
  }

  /** A container engine sees only what every process of this machine sees: no mounts in a namespace. */
  #backendFor({ sandbox }: CreateWorkspaceOptions): BackendName {
    const { backend } = this.choice;
    return sandbox?.level === "container" && isOverlayBackend(backend) ? "worktree" : backend;
  }

  /** The folder appears together with its metadata, so that a crash at any moment leaves nothing without a name. */
  async #claimDirectory(layout: WorkspaceLayout, metadata: WorkspaceMetadata): Promise<void> {
    const parent = join(this.#cache, "workspaces");
    const temporary = join(parent, nameHalfMade(this.#owner));
    try {
      await mkdir(temporary, { recursive: true });
      await writeMetadata(temporary, metadata);
      await rename(temporary, layout.directory);
    } catch (error) {
      await this.#trash.discard(temporary).catch(() => undefined);
      const errno = error instanceof Error && "code" in error ? error.code : "";
      if (errno !== "ENOTEMPTY" && errno !== "EEXIST") throw await explainFailure(error, this.#cache);
      throw new CanopyError("workspace.failed", `there is a workspace ${layout.workspaceId} already`, {
        cause: error,
      });
    }
  }

  async #build(
    options: CreateWorkspaceOptions,
    layout: WorkspaceLayout,
    metadata: WorkspaceMetadata,
  ): Promise<BuiltWorkspace> {
    const { backend } = metadata;
    const { source, bring, signal } = options;
    const layers = this.#layersOf(options.project);
    if (!isOverlayBackend(backend))
      return await buildPlain(layout, { backend, layers, source, bring, signal });
    let built = await this.#mount(options, layout, metadata, backend);
    // Another process may have dropped a layer just before it was named in the metadata; it is made again, once.
    built ??= await this.#mount(options, layout, metadata, backend);
    if (built !== null) return built;
    throw new CanopyError("workspace.failed", "the checkout below the workspace vanished twice", {
      retry: true,
    });
  }

  /** Null when a layer vanished before it could be mounted; then nothing is left of the try. */
  async #mount(
    { source, bring, signal, project }: CreateWorkspaceOptions,
    layout: WorkspaceLayout,
    metadata: WorkspaceMetadata,
    backend: OverlayBackend,
  ): Promise<BuiltWorkspace | null> {
    const stack = await this.#layersOf(project).ensureLayers(source, signal);
    await writeMetadata(layout.directory, { ...metadata, layers: [...stack.names] });
    try {
      return await buildOverlay(layout, { backend, layers: stack, bring, monitor: source.monitor });
    } catch (error) {
      const present = await Promise.all(
        stack.names.map((name) => isFolder(layerFiles(stack.directory, name))),
      );
      if (present.every(Boolean)) throw error;
      for (const name of ["upper", "work", "layers", "bring"])
        await this.#trash.discard(join(layout.directory, name));
      return null;
    }
  }

  #layersOf(project: WorkspaceProject): LayerStore {
    // The name is part of the path that layers are made for.
    const key = `${project.projectId}/${project.name}`;
    const known = this.#layers.get(key);
    if (known !== undefined) return known;
    const layers = openLayerStore({
      directory: layersDirectory(this.#cache, project),
      mountPath: mountPath(this.#cache, project),
      backend: this.choice.backend,
      trash: this.#trash,
      keepBases: this.#options.keepBases ?? 2,
      keepDeltas: this.#options.keepDeltas ?? 16,
    });
    this.#layers.set(key, layers);
    return layers;
  }

  #register(parts: {
    readonly metadata: WorkspaceMetadata;
    readonly layout: WorkspaceLayout;
    readonly built: BuiltWorkspace;
    readonly env: Record<string, string>;
    readonly enclosed: EnclosedWorkspace | null;
    readonly onEnd: () => void;
  }): Workspace {
    const { layout, built } = parts;
    let { metadata } = parts;
    const workspace = createWorkspaceObject({
      backend: metadata.backend,
      commit: metadata.commit,
      layout,
      view: built.view,
      upperDirectory: built.upperDirectory,
      env: parts.env,
      enclosed: parts.enclosed,
      ports: metadata.ports,
      brought: metadata.brought,
      metadata: metadata.metadata,
      annotate: async (said) => {
        metadata = { ...metadata, metadata: said };
        await writeMetadata(layout.directory, metadata);
      },
      onEnd: async (isKept): Promise<void> => {
        parts.onEnd();
        this.#open.delete(workspace);
        if (isKept) await built.view.released();
        if (isKept) await writeMetadata(layout.directory, { ...metadata, state: "kept" });
        else await this.#trash.discard(layout.directory, built.view.released());
        this.#pruneLater(metadata);
      },
    });
    this.#open.add(workspace);
    return workspace;
  }

  #pruneLater({ projectId, projectName }: WorkspaceMetadata): void {
    if (this.#creatingCount > 0) return;
    const prune = async (): Promise<void> => {
      const used = await listUsedLayers(join(this.#cache, "workspaces"), projectId);
      if (this.#creatingCount === 0) await this.#layersOf({ projectId, name: projectName }).prune(used);
    };
    const work = prune()
      .catch(() => undefined)
      .finally(() => this.#background.delete(work));
    this.#background.add(work);
  }

  #createStale(taken: TakenWorkspace): StaleWorkspace {
    const { metadata, directory } = taken;
    const payload: Json = metadata.metadata;
    return {
      workspaceId: metadata.workspaceId,
      projectId: metadata.projectId,
      commit: metadata.commit,
      backend: metadata.backend,
      metadata: payload,
      isComplete: metadata.state !== "creating",
      isKept: metadata.state === "kept",
      open: () => this.#reopen(taken),
      dispose: () => this.#trash.discard(directory),
    };
  }

  async #reopen({ metadata, directory }: TakenWorkspace): Promise<Workspace> {
    const project = { projectId: metadata.projectId, name: metadata.projectName };
    const layout = layOut(this.#cache, metadata.workspaceId, project, metadata.backend);
    const env = createWorkspaceEnvironment(layout, []);
    const reopened: WorkspaceMetadata = { ...metadata, state: "ready", owner: this.#owner };
    await writeMetadata(directory, reopened);
    const built = await this.#remount(layout, metadata);
    return this.#register({ metadata: reopened, layout, built, env, enclosed: null, onEnd: () => undefined });
  }

  async #remount(layout: WorkspaceLayout, metadata: WorkspaceMetadata): Promise<BuiltWorkspace> {
    const { backend, brought } = metadata;
    if (!isOverlayBackend(backend)) {
      return { view: createPlainView(layout.workspaceId), upperDirectory: null, brought, layers: [] };
    }
    const stack = {
      directory: layersDirectory(this.#cache, { projectId: metadata.projectId, name: metadata.projectName }),
      names: metadata.layers,
    };
    // What was brought along is not captured, so it is not mounted again.
    const { view } = await mountOverlay(layout, backend, stack, []);
    return { view, upperDirectory: join(layout.directory, "upper"), brought, layers: metadata.layers };
  }
}

/**
 * Opens a place to make workspaces in and finds out how they are made here. The caller disposes it: workspaces that are open
 * then are kept on disk for the next owner. Throws `workspace.failed` when the backend asked for does not work here.
 */
export async function openWorkspaceStore(options: WorkspaceStoreOptions): Promise<WorkspaceStore> {
  try {
    await mkdir(join(options.cacheDirectory, "workspaces"), { recursive: true });
    const cacheDirectory = await realpath(options.cacheDirectory);
    const choice = await detectBackend(cacheDirectory, options.backend);
    const owner = await identifyProcess(process.pid);
    if (owner === null)
      throw new CanopyError("workspace.failed", "this process cannot be found in the process table");
    return new Store({ ...options, cacheDirectory }, choice, owner);
  } catch (error) {
    throw await explainFailure(error, options.cacheDirectory);
  }
}
