import { mkdir } from "node:fs/promises";
import { join, relative } from "node:path";
import type { WorkspaceLayout } from "../workspace-layout.ts";
import { expandHome, isBlocked, resolveAll } from "./block-list.ts";
import type { BlockList } from "./block-list.ts";
import { isWithin } from "./blocked-paths.ts";
import type { MountStep } from "./plan-mounts.ts";
import type { SandboxSettings } from "./sandbox-settings.ts";

/** Below a home: where package managers and compilers keep what they fetched and built. */
const TOOL_CACHES: readonly string[] = [
  ".npm/_cacache",
  ".cache/pip",
  ".cache/uv",
  ".cache/yarn",
  ".cache/pnpm",
  ".local/share/pnpm/store",
  ".bun/install/cache",
  ".cargo/registry",
  ".cargo/git",
  "go/pkg/mod",
  ".cache/go-build",
  ".m2/repository",
  ".gradle/caches",
  ".gem/specs",
  ".bundle/cache",
];

/** What the caches of a sandbox are made from. */
export interface CachePlanOptions {
  readonly layout: WorkspaceLayout;
  readonly settings: Pick<SandboxSettings, "caches" | "hasToolCaches">;
  readonly withUserNamespace: boolean;
  readonly blockList: BlockList;
}

/** Folders of a workspace that hold what it wrote into its copies of caches. */
export function cachesDirectory(layout: WorkspaceLayout): string {
  return join(layout.directory, "caches");
}

/** A cache of the person's, and where in the private HOME it is looked for. */
export interface ShownCache {
  readonly real: string;
  readonly place: string;
}

/** The caches that are there: `shared` are written as they are, of `copied` each workspace gets what it writes for itself. */
export async function findCaches(
  options: Omit<CachePlanOptions, "withUserNamespace">,
): Promise<Record<"shared" | "copied", ShownCache[]>> {
  const { layout, settings, blockList } = options;
  const { home } = blockList;
  const show = ({ path, real }: { readonly path: string; readonly real: string }): ShownCache => ({
    real,
    place: join(layout.homeDirectory, relative(home, path)),
  });
  const named = settings.caches
    .map((path) => expandHome(path, home))
    .filter((path) => path !== home && isWithin(path, home));
  const shared = (await resolveAll(named)).filter(({ real }) => !isBlocked(blockList, real));
  const wanted = settings.hasToolCaches ? TOOL_CACHES.map((path) => join(home, path)) : [];
  const copied = (await resolveAll(wanted)).filter(
    ({ path, real }) =>
      !isBlocked(blockList, real) &&
      !named.some((other) => isWithin(path, other) || isWithin(other, path)) &&
      // The separators of mount options.
      !/[,:\\\n]/.test(real + layout.directory),
  );
  return { shared: shared.map(show), copied: copied.map(show) };
}

/**
 * Shows caches where programs look for them, in the private HOME: those that the settings name as they are, writable; the usual
 * ones of package managers as an overlay, so that a workspace finds what is there and can spoil nothing for others.
 */
export async function planCaches(options: CachePlanOptions): Promise<MountStep[]> {
  const { layout, withUserNamespace } = options;
  const { shared, copied } = await findCaches(options);
  const overlays = await Promise.all(
    copied.map(async ({ real, place }, index): Promise<MountStep> => {
      const folder = join(cachesDirectory(layout), String(index));
      await mkdir(join(folder, "upper"), { recursive: true });
      await mkdir(join(folder, "work"), { recursive: true });
      const extra = withUserNamespace ? ",userxattr" : "";
      const data = `lowerdir=${real},upperdir=${folder}/upper,workdir=${folder}/work${extra}`;
      return ["overlay", data, place];
    }),
  );
  return [...shared.map(({ real, place }): MountStep => ["rw", real, place]), ...overlays];
}
