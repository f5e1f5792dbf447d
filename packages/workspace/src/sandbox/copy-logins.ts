import { chmod, copyFile, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CanopyError } from "@canopy/protocol";
import type { WorkspaceLayout } from "../workspace-layout.ts";
import type { SandboxSettings } from "./sandbox-settings.ts";

/**
 * Puts copies of a person's logins into a private HOME, for its owner alone. What an agent makes of its copy is never brought
 * back: it could be another one's login. Throws `config.invalid` for a file that cannot be read.
 */
export async function copyLogins(
  { logins }: Pick<SandboxSettings, "logins">,
  layout: Pick<WorkspaceLayout, "homeDirectory">,
): Promise<void> {
  for (const { from, to } of logins) {
    const target = join(layout.homeDirectory, to);
    try {
      await mkdir(dirname(target), { recursive: true, mode: 0o700 });
      await copyFile(from, target);
      await chmod(target, 0o600);
    } catch (error) {
      const why = error instanceof Error ? error.message : "";
      throw new CanopyError("config.invalid", `the login ${from} cannot be copied: ${why}`, {
        hint: "Log in with the agent itself, or take `login` out of its table.",
        cause: error,
      });
    }
  }
}
