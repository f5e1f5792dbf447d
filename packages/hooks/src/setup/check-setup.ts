import { isCanopyError } from "@canopy/protocol";
import { listManagedFiles } from "./list-managed-files.ts";
import { planInstall } from "./plan-setup.ts";
import { readConfigFile } from "./read-config-file.ts";
import type { SetupRequest } from "./setup-request.ts";

/** How one file stands to what set-up would have it. */
export interface SetupFinding {
  readonly path: string;
  readonly state: "current" | "missing" | "outdated" | "unreadable";
  /** Why it cannot be read; empty otherwise. */
  readonly problem: string;
}

/** Looks whether an agent's set-up is as it should be, without changing anything. Never throws for what is in a file. */
export function checkSetup(request: SetupRequest): SetupFinding[] {
  return listManagedFiles(request).map((file) => {
    try {
      if (planInstall(file, request.stateDir).length === 0)
        return { path: file.path, state: "current", problem: "" };
      const text = readConfigFile(file.path)?.text.replace(/^\uFEFF/, "");
      const isOld = text !== undefined && file.hasOwn(text);
      return { path: file.path, state: isOld ? "outdated" : "missing", problem: "" };
    } catch (error) {
      if (!isCanopyError(error)) throw error;
      return { path: file.path, state: "unreadable", problem: error.message };
    }
  });
}
