import { join } from "node:path";
import { CanopyError } from "@canopy/protocol";
import { isOverlayBackend } from "./mount-script.ts";
import type { BackendName } from "./workspace-metadata.ts";

/** Which repository a workspace is of. `name` becomes the name of the folder that agents see. */
export interface WorkspaceProject {
  readonly projectId: string;
  readonly name: string;
}

/** Where everything of one workspace is. */
export interface WorkspaceLayout {
  readonly workspaceId: string;
  /** Holds all that is the workspace's own. */
  readonly directory: string;
  readonly homeDirectory: string;
  readonly tmpDirectory: string;
  /** Where the files are for a process inside: for mounted workspaces the same path for all of a project. */
  readonly path: string;
}

function requireName(kind: string, name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name)) return name;
  throw new CanopyError("workspace.failed", `not a ${kind}: ${JSON.stringify(name)}`);
}

/** A folder name as near to a repository's name as is safe in paths and command lines. */
export function safeFolderName(name: string): string {
  const cleaned = name
    .replace(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[.-]+/, "")
    .slice(0, 60);
  return cleaned === "" ? "repository" : cleaned;
}

/** Where a project's layers are. */
export function layersDirectory(cacheDirectory: string, project: WorkspaceProject): string {
  return join(cacheDirectory, "projects", requireName("project id", project.projectId), "layers");
}

/** Where a project's mounted workspaces appear. */
export function mountPath(cacheDirectory: string, project: WorkspaceProject): string {
  return join(
    cacheDirectory,
    "projects",
    requireName("project id", project.projectId),
    "tree",
    safeFolderName(project.name),
  );
}

/** Works out where a workspace goes. HOME and TMPDIR are siblings, outside the repository. */
export function layOut(
  cacheDirectory: string,
  workspaceId: string,
  project: WorkspaceProject,
  backend: BackendName,
): WorkspaceLayout {
  const directory = join(cacheDirectory, "workspaces", requireName("workspace id", workspaceId));
  return {
    workspaceId,
    directory,
    homeDirectory: join(directory, "home"),
    tmpDirectory: join(directory, "tmp"),
    path: isOverlayBackend(backend)
      ? mountPath(cacheDirectory, project)
      : join(directory, "tree", safeFolderName(project.name)),
  };
}
