import type { Capture, Repository } from "@canopy/git";
import { captureTree, captureUpper } from "@canopy/git";
import type { Workspace } from "@canopy/workspace";
import { OWN_PATHS } from "./own-files.ts";

/** Captures everything that was done in a workspace, committed or not, but for what Canopy put there. Its processes must have ended. */
export async function captureWorkspace(repository: Repository, workspace: Workspace): Promise<Capture> {
  const shared = {
    baseCommit: workspace.commit,
    excludePaths: [...workspace.brought.map((brought) => brought.path), ...OWN_PATHS],
    agentGitDirectory: workspace.agentGitDirectory,
  };
  if (workspace.upperDirectory === null) {
    return await captureTree(repository, { ...shared, workTree: workspace.readablePath });
  }
  return await captureUpper(repository, {
    ...shared,
    upperDirectory: workspace.upperDirectory,
    mergedDirectory: workspace.readablePath,
    workTree: workspace.path,
    enter: workspace.enter,
  });
}
