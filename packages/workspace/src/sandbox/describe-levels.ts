import { platform } from "node:process";
import { createContainerProvider } from "../container/container-provider.ts";
import type { SandboxLevel } from "./sandbox-settings.ts";

/** What a level is worth on this machine. */
export interface LevelAnswer {
  readonly level: SandboxLevel;
  readonly isAvailable: boolean;
  /** What it keeps agents from; or why it cannot be had. */
  readonly detail: string;
  /** What to do about it; null when there is nothing to do. */
  readonly fix: string | null;
}

const PROCESS_TREE = {
  linux:
    "its processes end with the workspace, whatever they do (with an overlay; else those that can be found by a mark)",
  other: "its processes end with the workspace, as far as they stay in their group",
};

/** Says of each level what it keeps agents from here, and why one cannot be had. `sandbox` is what the probe found. */
export async function describeLevels(sandbox: {
  readonly isAvailable: boolean;
  readonly reason: string | null;
  readonly fix: string | null;
}): Promise<LevelAnswer[]> {
  const container = await createContainerProvider(null, null).probe();
  const tree = platform === "linux" ? PROCESS_TREE.linux : PROCESS_TREE.other;
  const limits = platform === "linux" ? "limits" : "no limits but disk, files and time";
  return [
    {
      level: "none",
      isAvailable: true,
      detail: "nothing: your environment and HOME, your files, your network",
      fix: null,
    },
    {
      level: "process",
      isAvailable: true,
      detail: `your HOME, TMPDIR and environment (not your files by path, nor your network); ${tree}; ${limits}`,
      fix: null,
    },
    {
      level: "sandbox",
      isAvailable: sandbox.isAvailable,
      detail: sandbox.reason ?? "your files, network, processes and privileges: see below, each was tried",
      fix: sandbox.fix,
    },
    {
      level: "container",
      isAvailable: container.isAvailable,
      detail:
        container.reason ??
        "as the engine keeps it: files, processes, privileges, limits; network but an allow-list; needs [sandbox.container] image",
      fix: container.fix,
    },
  ];
}
