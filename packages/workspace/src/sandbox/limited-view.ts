import { readFileSync } from "node:fs";
import { requireExecutable } from "../find-executable.ts";
import { toolPath } from "../tool-paths.ts";
import type { WorkspaceView } from "../workspace-view.ts";
import { dataRlimitBytes } from "./resource-group.ts";
import type { ResourceGroup } from "./resource-group.ts";
import type { SandboxLimits } from "./sandbox-settings.ts";

/** Joins the control groups whose files are named before `--`, then runs the rest. What is made is for others to read, as in a sandbox. */
const JOIN = `umask 022; while [ "$1" != -- ]; do echo 0 > "$1" || exit 125; shift; done; shift; exec "$@"`;

/** What a workspace at level `process` is held to. */
export interface LimitedViewOptions {
  readonly view: WorkspaceView;
  readonly group: ResourceGroup;
  readonly limits: SandboxLimits;
  /** True when its processes are in a user namespace of their own, where a limit of processes counts only them. */
  readonly isCountedApart: boolean;
}

/** The options of prlimit that stand in for what the control groups do not hold. */
export function planProcessRlimits(
  limits: SandboxLimits,
  held: ReadonlySet<keyof SandboxLimits>,
  isCountedApart: boolean,
): string[] {
  const { openFileCount, diskBytes, memoryBytes, processCount } = limits;
  const options = ["--core=0"];
  if (openFileCount !== undefined) options.push(`--nofile=${openFileCount}`);
  if (diskBytes !== undefined) options.push(`--fsize=${diskBytes}`);
  if (memoryBytes !== undefined && !held.has("memoryBytes"))
    options.push(`--data=${dataRlimitBytes(memoryBytes)}`);
  // Otherwise it would count all that the person runs, and stop their other programs' children from being made.
  if (processCount !== undefined && !held.has("processCount") && isCountedApart)
    options.push(`--nproc=${processCount}`);
  return options;
}

const SETPCAP = 8n;
const SYS_RESOURCE = 24n;

/** What takes the right to lift limits from root, by what `/proc/self/status` says that this process may; empty where there is none to take. */
export function planLiftDrop(status: string): string[] {
  const may = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  const has = (capability: bigint): boolean => ((may >> capability) & 1n) === 1n;
  if (!has(SETPCAP) || !has(SYS_RESOURCE)) return [];
  return ["setpriv", "--inh-caps", "-sys_resource", "--bounding-set", "-sys_resource"];
}

function readStatus(): string {
  try {
    return readFileSync("/proc/self/status", "latin1");
  } catch {
    return "";
  }
}

/** A view whose processes are started within limits: control groups where they can be had, rlimits for the rest. */
export function createLimitedView(options: LimitedViewOptions): WorkspaceView {
  const { view, group, limits, isCountedApart } = options;
  const rlimits = planProcessRlimits(limits, group.held, isCountedApart);
  const [dropper, ...dropped] = planLiftDrop(readStatus());
  const drop = dropper === undefined ? [] : [toolPath(dropper), ...dropped];
  const prefix = [
    toolPath("sh"),
    "-c",
    JOIN,
    "sh",
    ...group.entries,
    "--",
    toolPath("prlimit"),
    ...rlimits,
    ...drop,
  ] as const;
  return {
    ...view,
    async start(command, cwd, env) {
      const [program] = command;
      await requireExecutable({ program, path: env["PATH"], cwd, root: view.root });
      return await view.start([...prefix, ...command], cwd, env);
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await view[Symbol.asyncDispose]();
      await group[Symbol.asyncDispose]();
    },
  };
}
