import { join } from "node:path";
import { CanopyError } from "@canopy/protocol";
import type { Json, SpawnProcess } from "@canopy/protocol";
import type { BroughtPath } from "./bring-along.ts";
import type { EnclosedWorkspace } from "./sandbox/enclose-workspace.ts";
import type { Refusal } from "./sandbox/egress-proxy.ts";
import type { SandboxLevel } from "./sandbox/sandbox-settings.ts";
import type { WorkspaceLayout } from "./workspace-layout.ts";
import type { BackendName } from "./workspace-metadata.ts";
import { writeInside } from "./write-inside.ts";
import type { WorkspaceView } from "./workspace-view.ts";

/** A private copy of a project's files at a commit, and the processes in it. Disposing removes both. */
export interface Workspace extends AsyncDisposable {
  readonly workspaceId: string;
  readonly backend: BackendName;
  readonly commit: string;
  /** The root of the files, as processes inside see it. */
  readonly path: string;
  /** The same root, as this process can read and write it. */
  readonly readablePath: string;
  /** What was changed, for overlays; null when the workspace is a plain folder. */
  readonly upperDirectory: string | null;
  /** Put before a command of Canopy's own to run it where the files are. Not for agents. */
  readonly enter: readonly string[];
  /** The private git directory of the checkout, as this process can read it. */
  readonly agentGitDirectory: string;
  readonly homeDirectory: string;
  readonly tmpDirectory: string;
  readonly ports: readonly number[];
  /** What processes should be started with: see `createWorkspaceEnvironment`. */
  readonly env: Readonly<Record<string, string>>;
  /** Files and folders that were brought along; not to be captured. */
  readonly brought: readonly BroughtPath[];
  readonly metadata: Json;
  /** Writes down something else as its metadata: for one that was made before it was known what for. */
  annotate(metadata: Json): Promise<void>;
  /** What the egress proxy refused so far. */
  readonly refusals: readonly Refusal[];
  /** How much its processes are kept from. */
  readonly sandboxLevel: SandboxLevel;
  /** Which limit was hit, such as `memory limit 4 GB`; null when none was. */
  describeLimitHit(): Promise<string | null>;
  readonly spawn: SpawnProcess;
  /**
   * Writes a file by its path in the workspace, or (null) removes it, as the workspace's own processes could: no link that an
   * agent put there leads out. Throws `workspace.failed` when one is in the way.
   */
  writeFile(path: string, content: string | Uint8Array | null): Promise<void>;
  /** Kills every process in the workspace and resolves when none is left. */
  stopProcesses(): Promise<void>;
  /**
   * Does something while no process of the sandbox moves, such as reading files of a running agent: otherwise a name could become a
   * link to a file outside between a check and its use.
   */
  whilePaused<T>(work: () => Promise<T>): Promise<T>;
  /** Ends processes and mounts but leaves the files, to be opened again by `WorkspaceStore.recover`. */
  keep(): Promise<void>;
  /** Ends processes and mounts and removes the files. Idempotent. */
  dispose(): Promise<void>;
}

/** The parts of a workspace, and what to do at its end. */
export interface WorkspaceParts {
  readonly backend: BackendName;
  readonly commit: string;
  readonly layout: WorkspaceLayout;
  readonly view: WorkspaceView;
  readonly upperDirectory: string | null;
  readonly env: Readonly<Record<string, string>>;
  readonly ports: readonly number[];
  readonly brought: readonly BroughtPath[];
  readonly metadata: Json;
  readonly annotate: (metadata: Json) => Promise<void>;
  readonly enclosed: EnclosedWorkspace | null;
  /** Called once, after processes and mounts are gone. */
  readonly onEnd: (isKept: boolean) => Promise<void>;
}

/** Puts a workspace together from its parts. */
export function createWorkspaceObject(parts: WorkspaceParts): Workspace {
  const { layout, view } = parts;
  const readablePath = `${view.root}${layout.path}`;
  let ended: Promise<void> | null = null;
  let { metadata } = parts;
  const end = (isKept: boolean): Promise<void> => {
    ended ??= (async (): Promise<void> => {
      await view[Symbol.asyncDispose]();
      await parts.onEnd(isKept);
    })();
    return ended;
  };
  const dispose = (): Promise<void> => end(false);
  const spawn: SpawnProcess = (command, options) => {
    if (ended !== null) {
      return Promise.reject(new CanopyError("workspace.failed", `workspace ${layout.workspaceId} has ended`));
    }
    return view.start(command, options.cwd ?? layout.path, options.env);
  };
  return {
    workspaceId: layout.workspaceId,
    backend: parts.backend,
    commit: parts.commit,
    path: layout.path,
    readablePath,
    upperDirectory: parts.upperDirectory,
    enter: view.enter,
    agentGitDirectory: join(readablePath, ".git"),
    homeDirectory: layout.homeDirectory,
    tmpDirectory: layout.tmpDirectory,
    ports: parts.ports,
    env: parts.env,
    brought: parts.brought,
    get metadata() {
      return metadata;
    },
    annotate: async (said) => {
      await parts.annotate(said);
      metadata = said;
    },
    refusals: parts.enclosed?.refusals ?? [],
    sandboxLevel: parts.enclosed?.level ?? "process",
    describeLimitHit: () => parts.enclosed?.describeLimitHit() ?? Promise.resolve(null),
    spawn,
    writeFile: (path, content) => writeInside({ spawn, env: parts.env, path }, content),
    stopProcesses: () => (ended === null ? view.killAll() : ended),
    whilePaused: (work) => (ended === null ? view.whilePaused(work) : work()),
    keep: () => end(true),
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}
