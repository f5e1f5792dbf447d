import { cp, lstat, realpath } from "node:fs/promises";
import { join, relative } from "node:path";
import { CanopyError } from "@canopy/protocol";
import type { WorkspaceLayout } from "../workspace-layout.ts";
import { createBlockList, expandHome } from "./block-list.ts";
import { isWithin } from "./blocked-paths.ts";
import type { SandboxSettings } from "./sandbox-settings.ts";

async function isPlain(path: string): Promise<boolean> {
  const info = await lstat(path).catch(() => null);
  return info !== null && (info.isFile() || info.isDirectory());
}

/**
 * Copies the named settings of the person into a private HOME, at the same places. What is not there is skipped; so is, inside
 * of a folder, what is blocked, and links. Throws `config.invalid` for a path that is blocked itself or outside of the home.
 */
export async function copyConfigs(
  settings: Pick<SandboxSettings, "copyConfigs" | "block" | "permit">,
  layout: Pick<WorkspaceLayout, "homeDirectory">,
): Promise<void> {
  if (settings.copyConfigs.length === 0) return;
  const list = await createBlockList(settings);
  const isHidden = (path: string): boolean => {
    const blocked = list.paths.find((each) => isWithin(path, each));
    return blocked !== undefined && !list.permitted.some((each) => isWithin(path, each));
  };
  for (const named of settings.copyConfigs) {
    const path = expandHome(named, list.home);
    const isOutside = path === list.home || !isWithin(path, list.home);
    const real = await realpath(path).catch(() => null);
    if (isOutside || isHidden(path) || (real !== null && isHidden(real))) {
      const why = isOutside ? "it is not below your home" : "it is on the block list";
      throw new CanopyError("config.invalid", `[sandbox] copy_configs may not copy ${named}: ${why}`, {
        hint: isOutside
          ? "Name files and folders below ~/."
          : "Add exactly this path to [sandbox] permit if agents are meant to read it.",
      });
    }
    if (real === null) continue;
    await cp(real, join(layout.homeDirectory, relative(list.home, path)), {
      recursive: true,
      filter: async (source) => !isHidden(source) && (await isPlain(source)),
    });
  }
}
