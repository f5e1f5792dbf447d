import { execFile } from "node:child_process";
import { lstat, mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { CanopyError } from "@canopy/protocol";
import { copyDirectory, copyFiles, selectDirectories, staysInside } from "./bring-along.ts";
import type { BringRequest, BroughtPath } from "./bring-along.ts";
import { writeMonitorConfig, writeMonitorProgram } from "./change-monitor.ts";
import type { GitMonitor } from "./change-monitor.ts";
import { reflinkArguments } from "./detect-backend.ts";
import { layerFiles } from "./layer-store.ts";
import type { CheckoutSource, LayerStack, LayerStore } from "./layer-store.ts";
import { needsUserNamespace, workspaceScript } from "./mount-script.ts";
import type { OverlayBackend } from "./mount-script.ts";
import { startNamespaceHolder } from "./namespace-holder.ts";
import { runCommand } from "./run-command.ts";
import type { WorkspaceLayout } from "./workspace-layout.ts";
import type { BackendName } from "./workspace-metadata.ts";
import { createMountedView, createPlainView } from "./workspace-view.ts";
import type { WorkspaceView } from "./workspace-view.ts";

const execute = promisify(execFile);

/** A workspace whose files are there. */
export interface BuiltWorkspace {
  readonly view: WorkspaceView;
  readonly upperDirectory: string | null;
  readonly brought: readonly BroughtPath[];
  /** Names of the layers it stands on, the topmost first. */
  readonly layers: readonly string[];
}

/** Makes the folders that every workspace has. */
export async function makeOwnFolders(layout: WorkspaceLayout): Promise<void> {
  await Promise.all([
    mkdir(layout.homeDirectory, { mode: 0o700 }),
    mkdir(layout.tmpDirectory, { mode: 0o700 }),
  ]);
}

/** Makes the folders of an overlay; links to layers keep every path in mount options relative and free of odd characters. */
async function makeOverlayFolders(layout: WorkspaceLayout, layers: LayerStack): Promise<void> {
  const { directory } = layout;
  await Promise.all(["upper", "work", "layers"].map((name) => mkdir(join(directory, name))));
  await Promise.all(
    layers.names.map((name, index) =>
      symlink(layerFiles(layers.directory, name), join(directory, "layers", String(index))),
    ),
  );
}

async function makeBringFolders(
  layout: WorkspaceLayout,
  bring: BringRequest,
  paths: readonly string[],
): Promise<void> {
  for (const [index, path] of paths.entries()) {
    const folder = join(layout.directory, "bring", String(index));
    await mkdir(join(folder, "upper"), { recursive: true });
    await mkdir(join(folder, "work"));
    await symlink(join(bring.from, path), join(folder, "lower"));
  }
}

async function finishBringing(
  readablePath: string,
  bring: BringRequest,
  directories: readonly string[],
  notes: readonly string[],
): Promise<BroughtPath[]> {
  const brought: BroughtPath[] = [];
  for (const [index, path] of directories.entries()) {
    if (notes.includes(`skip ${index}`)) continue;
    const mustCopy = notes.includes(`copy ${index}`);
    if (mustCopy && !(await staysInside(readablePath, path))) continue;
    if (mustCopy) await copyDirectory(join(bring.from, path), join(readablePath, path));
    brought.push({ path, how: mustCopy ? "copied" : "mounted" });
  }
  return [...brought, ...(await copyFiles(bring, readablePath))];
}

/** Mounts the folders of an overlay workspace that are there already. */
export async function mountOverlay(
  layout: WorkspaceLayout,
  backend: OverlayBackend,
  layers: LayerStack,
  bringPaths: readonly string[],
): Promise<{ view: WorkspaceView; notes: readonly string[] }> {
  await mkdir(layout.path, { recursive: true });
  const lower = layers.names.map((_name, index) => `layers/${index}`).join(":");
  const holder = await startNamespaceHolder({
    withUserNamespace: needsUserNamespace(backend),
    cwd: layout.directory,
    script: workspaceScript(backend),
    args: [lower, layout.path, ...bringPaths],
  });
  return { view: createMountedView(layout, backend, holder), notes: holder.notes };
}

/** What an overlay is made from. */
export interface OverlayBuild {
  readonly backend: OverlayBackend;
  readonly layers: LayerStack;
  readonly bring: BringRequest | undefined;
  readonly monitor: GitMonitor | undefined;
}

/** Makes an overlay workspace on layers, with what is brought along. */
export async function buildOverlay(layout: WorkspaceLayout, build: OverlayBuild): Promise<BuiltWorkspace> {
  const { backend, layers, bring, monitor } = build;
  const directories = bring === undefined ? [] : await selectDirectories(bring);
  await makeOverlayFolders(layout, layers);
  const upperDirectory = join(layout.directory, "upper");
  const monitored = {
    programFile: join(layout.directory, "git-monitor"),
    upperDirectory,
    path: layout.path,
    hasMounts: directories.length > 0,
  };
  // Only for the kernel's overlay: the program relies on how it counts links.
  const isMonitored =
    monitor !== undefined && backend !== "fuse-overlayfs" && (await writeMonitorConfig(monitor, monitored));
  if (bring !== undefined) await makeBringFolders(layout, bring, directories);
  const { view, notes } = await mountOverlay(layout, backend, layers, directories);
  try {
    const readablePath = `${view.root}${layout.path}`;
    const brought = bring === undefined ? [] : await finishBringing(readablePath, bring, directories, notes);
    const mountCount = brought.filter(({ how }) => how === "mounted").length;
    if (isMonitored) await writeMonitorProgram(monitor, monitored, mountCount);
    return { view, upperDirectory, brought, layers: layers.names };
  } catch (error) {
    await view[Symbol.asyncDispose]();
    throw error;
  }
}

async function copyBase(
  source: CheckoutSource,
  base: { files: string; commit: string },
  target: string,
  flags: string[],
): Promise<void> {
  await execute("cp", [...flags, `${base.files}/.`, target]);
  if (base.commit === source.commit) return;
  const work = source.advance?.(base.commit) ?? null;
  if (work === null)
    throw new CanopyError("workspace.failed", `a checkout of ${base.commit} cannot be advanced`);
  for (const command of work.commands) await runCommand({ command, cwd: target, env: work.env });
}

/** What a plain folder is made from. */
export interface PlainBuild {
  readonly backend: BackendName;
  readonly layers: LayerStore;
  readonly source: CheckoutSource;
  readonly bring: BringRequest | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Makes a workspace that is a plain folder: by copying a shared checkout, or by a checkout of its own. */
export async function buildPlain(layout: WorkspaceLayout, build: PlainBuild): Promise<BuiltWorkspace> {
  const { backend, source, bring } = build;
  await mkdir(layout.path, { recursive: true });
  if (backend === "worktree") {
    await source.populate(layout.path, build.signal);
  } else {
    const flags = backend === "reflink" ? reflinkArguments() : ["-R", "-p"];
    await copyBase(source, await build.layers.ensureBase(source, build.signal), layout.path, flags);
  }
  const directories = bring === undefined ? [] : await selectDirectories(bring);
  const isFree = await Promise.all(directories.map((path) => isUnused(layout.path, path)));
  const notes = directories.map((_path, index) => `${isFree[index] === true ? "copy" : "skip"} ${index}`);
  const brought = bring === undefined ? [] : await finishBringing(layout.path, bring, directories, notes);
  return { view: createPlainView(layout.workspaceId), upperDirectory: null, brought, layers: [] };
}

async function isUnused(root: string, path: string): Promise<boolean> {
  return await lstat(join(root, path)).then(
    () => false,
    () => true,
  );
}
