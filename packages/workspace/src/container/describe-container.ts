import { realpath } from "node:fs/promises";
import { CanopyError } from "@canopy/protocol";
import type { BlockList } from "../sandbox/block-list.ts";
import { expandHome, isBlocked } from "../sandbox/block-list.ts";
import { isWithin } from "../sandbox/blocked-paths.ts";
import { findCaches } from "../sandbox/plan-caches.ts";
import type { ProviderRequest } from "../sandbox/sandbox-provider.ts";

const SYSTEM = /^\/(usr|bin|sbin|lib|lib32|lib64)(\/|$)/;

/** The label that says which workspace a container belongs to. */
export const WORKSPACE_LABEL = "canopy.workspace";

/** Who processes in a container are: who runs the daemon, for the files are theirs. */
export function describeUser(): string {
  return `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`;
}

/**
 * The paths that are shown, as `source:place:mode`. What contains something blocked cannot be shown in part, so it is an error. `canCopy`: the
 * engine can show a folder of which each container writes a copy of its own, as Podman can and Docker cannot.
 */
export async function listBinds(
  request: ProviderRequest,
  blockList: BlockList,
  canCopy: boolean,
): Promise<string[]> {
  const { layout, settings, state } = request;
  const binds = [layout.path, layout.homeDirectory, layout.tmpDirectory].map((path) => `${path}:${path}`);
  for (const [paths, mode] of [
    [settings.readOnly, "ro"],
    [settings.caches, "rw"],
  ] as const) {
    for (const path of paths.map((each) => expandHome(each, blockList.home))) {
      const real = await realpath(path).catch(() => null);
      if (real === null || isBlocked(blockList, real) || isBlocked(blockList, path)) continue;
      // The image has its own; the host's may not even run there.
      if (SYSTEM.test(real)) continue;
      if ([...blockList.paths, ...state].some((hidden) => isWithin(hidden, real)))
        throw new CanopyError(
          "config.invalid",
          `[sandbox] may not show ${path} in a container: secrets are in it`,
          {
            hint: "Name a folder further down.",
          },
        );
      if (/[:,]/.test(real + path)) continue;
      binds.push(`${real}:${path}:${mode}`);
    }
  }
  const { shared, copied } = await findCaches({ layout, settings, blockList });
  binds.push(...shared.map(({ real, place }) => `${real}:${place}:rw`));
  if (canCopy) binds.push(...copied.map(({ real, place }) => `${real}:${place}:O`));
  return [...new Set(binds)];
}

/** An rlimit of the container's first process, as the engine takes it. */
export interface FirstRlimit {
  readonly Name: string;
  readonly Soft: number;
  readonly Hard: number;
}

/** What is asked of the engine. `rlimits` null: what the engine itself sets for the first process. */
export function describeContainer(
  { layout, settings }: ProviderRequest,
  image: string,
  binds: readonly string[],
  rlimits: readonly FirstRlimit[] | null,
): object {
  const { memoryBytes, processCount, cpuCount } = settings.limits;
  return {
    Image: image,
    // Waits for ever, and reaps what lost its parent; what runs is started beside it.
    Entrypoint: ["/bin/sh", "-c", "while :; do sleep 3600 & wait $!; done"],
    User: describeUser(),
    WorkingDir: layout.path,
    Labels: { [WORKSPACE_LABEL]: layout.workspaceId },
    HostConfig: {
      Binds: binds,
      // With an allow-list too: the way out is opened on the loopback.
      NetworkMode: settings.network === "allow" ? "bridge" : "none",
      ReadonlyRootfs: true,
      Tmpfs: { "/tmp": "size=256m,mode=1777", "/run": "size=1m" },
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      IpcMode: "private",
      Memory: memoryBytes ?? 0,
      MemorySwap: memoryBytes ?? 0,
      PidsLimit: processCount ?? 0,
      NanoCpus: cpuCount === undefined ? 0 : Math.round(cpuCount * 1e9),
      ...(rlimits === null ? {} : { Ulimits: rlimits }),
    },
  };
}
