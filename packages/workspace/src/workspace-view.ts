import { randomBytes } from "node:crypto";
import { open, stat } from "node:fs/promises";
import { platform } from "node:process";
import { CanopyError } from "@canopy/protocol";
import type { ChildProcessHandle, SpawnOptions } from "@canopy/protocol";
import { requireExecutable } from "./find-executable.ts";
import { needsUserNamespace } from "./mount-script.ts";
import type { OverlayBackend } from "./mount-script.ts";
import type { NamespaceHolder } from "./namespace-holder.ts";
import { killMarked, sendSignal } from "./process-table.ts";
import { startProcess } from "./spawned-process.ts";
import { toolPath } from "./tool-paths.ts";
import type { WorkspaceLayout } from "./workspace-layout.ts";

/** How the files of a workspace are seen and how processes get there. */
export interface WorkspaceView extends AsyncDisposable {
  /** Put before a path of the workspace, this process can read it; "" when it is mounted here. */
  readonly root: string;
  /** Put before a command of Canopy's own, it runs where the files are; empty when they are here. */
  readonly enter: readonly string[];
  /** Starts a process of the agent's. */
  start(
    command: readonly [string, ...string[]],
    cwd: string,
    env: SpawnOptions["env"],
  ): Promise<ChildProcessHandle>;
  /** The namespace that the files are mounted in; null for a plain folder. */
  readonly holder: NamespaceHolder | null;
  /** Kills everything that runs in the workspace. */
  killAll(): Promise<void>;
  /** Does something while nothing in a sandbox moves. Without a sandbox nothing is paused: there, processes may read all anyway. */
  whilePaused<T>(work: () => Promise<T>): Promise<T>;
  /** Resolves when the mount is gone too, some time after disposing: the kernel first forgets every file that was seen. */
  released(): Promise<void>;
}

/** The environment variable that marks every process of a workspace. */
export const WORKSPACE_MARKER = "CANOPY_ATTEMPT";
const PROCESS_MARKER = "CANOPY_PROCESS";

const ENTER_FOLDER = 'cd "$1" && shift && exec "$@"';

/** A process mark and the environment that carries it. */
export interface Marked {
  readonly marker: string;
  readonly env: Record<string, string>;
}

/** Gives a process a mark of its own in its environment, beside the workspace's. */
export function mark(workspaceId: string, env: SpawnOptions["env"]): Marked {
  const value = randomBytes(8).toString("hex");
  return {
    marker: `${PROCESS_MARKER}=${value}`,
    env: { ...env, [WORKSPACE_MARKER]: workspaceId, [PROCESS_MARKER]: value },
  };
}

/** Throws `workspace.failed` when a folder to start in is not there. */
export async function requireFolder(path: string, cwd: string): Promise<void> {
  const info = await stat(path).catch(() => null);
  if (info?.isDirectory() === true) return;
  throw new CanopyError("workspace.failed", `the workspace has no folder ${cwd} to start in`, {
    data: { cwd },
  });
}

function dieWithParent(): string[] {
  return platform === "linux" ? [toolPath("setpriv"), "--pdeathsig", "KILL"] : [];
}

/**
 * Put between `enter` and a command, it runs as the person themselves, without the rights over mounts that the user
 * namespace gives; also the files then have the owner that the index of a checkout remembers. Empty for root.
 */
export function leaveUserNamespace(backend: OverlayBackend): string[] {
  if (!needsUserNamespace(backend)) return [];
  const user = `--map-user=${process.getuid?.() ?? 0}`;
  const group = `--map-group=${process.getgid?.() ?? 0}`;
  return [toolPath("unshare"), "--user", user, group];
}

/**
 * The view of a mounted workspace. The processes that it starts are in the holder's namespace; a person who is not root
 * stays who they are, for the user namespace that allows the mount is left again by a second one.
 */
export function createMountedView(
  { workspaceId, path }: WorkspaceLayout,
  backend: OverlayBackend,
  holder: NamespaceHolder,
): WorkspaceView {
  const live = new Set<string>();
  const [, ...enter] = holder.enter;
  const leave = leaveUserNamespace(backend);
  let released: Promise<void> = Promise.resolve();
  const killTree = async (marker: string): Promise<void> => {
    // fuse-overlayfs itself runs inside and must live on.
    const isAlone = backend !== "fuse-overlayfs" && [...live].every((other) => other === marker);
    await (isAlone ? holder.killAll() : killMarked(marker));
    live.delete(marker);
  };
  return {
    root: holder.root,
    holder,
    enter: holder.enter,
    async start(command, cwd, env): Promise<ChildProcessHandle> {
      const [program, ...args] = command;
      await requireFolder(`${holder.root}${cwd}`, cwd);
      await requireExecutable({ program, path: env["PATH"], cwd, root: holder.root });
      const marked = mark(workspaceId, env);
      const inside = [toolPath("sh"), "-c", ENTER_FOLDER, "sh", cwd, program, ...args];
      const prefix = [...dieWithParent(), toolPath("nsenter"), ...enter, ...leave];
      const [first, ...rest] = [...prefix, ...inside];
      live.add(marked.marker);
      const handle = await startProcess({
        command: [first ?? "nsenter", ...rest],
        cwd: "/",
        env: marked.env,
        isEntered: true,
        killTree: () => killTree(marked.marker),
      }).catch((error: unknown) => {
        live.delete(marked.marker);
        throw error;
      });
      void handle.exited.then(() => live.delete(marked.marker));
      return handle;
    },
    killAll: () => holder.killAll(),
    whilePaused: (work) => work(),
    released: () => released,
    async [Symbol.asyncDispose](): Promise<void> {
      // While this folder is open the mount outlives its namespace, and closing it takes it down in the background.
      const folder = await open(`${holder.root}${path}`, "r").catch(() => null);
      await holder[Symbol.asyncDispose]();
      if (folder !== null) released = folder.close();
    },
  };
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // The group is empty, which is what was wanted.
  }
}

/**
 * The view of a workspace that is a plain folder. A process is found again by its group and by a marker in its environment
 * (Linux); one that leaves the group, clears its environment and loses its parent is not.
 */
export function createPlainView(workspaceId: string): WorkspaceView {
  const groups = new Set<number>();
  const killAll = async (): Promise<void> => {
    for (const pid of groups) killGroup(pid);
    const left = await killMarked(`${WORKSPACE_MARKER}=${workspaceId}`);
    for (const pid of left) sendSignal(pid, "SIGKILL");
  };
  return {
    root: "",
    holder: null,
    enter: [],
    async start(command, cwd, env): Promise<ChildProcessHandle> {
      const [program, ...args] = command;
      await requireFolder(cwd, cwd);
      await requireExecutable({ program, path: env["PATH"], cwd, root: "" });
      const marked = mark(workspaceId, env);
      const [first, ...rest] = [...dieWithParent(), program, ...args];
      const handle = await startProcess({
        command: [first ?? program, ...rest],
        cwd,
        env: marked.env,
        isEntered: false,
        async killTree(mainPid): Promise<void> {
          killGroup(mainPid);
          groups.delete(mainPid);
          await killMarked(marked.marker);
        },
      });
      groups.add(handle.pid);
      return handle;
    },
    killAll,
    whilePaused: (work) => work(),
    released: () => Promise.resolve(),
    [Symbol.asyncDispose]: killAll,
  };
}
