import { GITLINK_MODE, SYMLINK_MODE, displayPath, isTreeEntry } from "./git-object.ts";
import type { TreeEntry } from "./git-object.ts";
import type { Repository } from "./repository.ts";

/** How a path differs between a base and a captured tree. A rename is a deletion and an addition. */
export type ChangeKind = "added" | "modified" | "deleted" | "type-changed";

/** A changed path, readable (UTF-8) and slash-separated. */
export interface ChangedPath {
  readonly path: string;
  readonly kind: ChangeKind;
}

/** A commit that an agent made, oldest first in a list. */
export interface AgentCommit {
  readonly commit: string;
  readonly subject: string;
  readonly body: string;
}

/** Everything an agent did, committed or not. The end state of the files is the truth. */
export interface Capture {
  readonly tree: string;
  /** Sorted by path. */
  readonly changed: readonly ChangedPath[];
  /** Where the agent's own HEAD had moved to, its objects imported; null when it stayed or could not be read. */
  readonly agentHead: string | null;
  readonly agentCommits: readonly AgentCommit[];
  /** Why an agent's commits could not be taken over, in plain words; empty when all is well. */
  readonly notes: readonly string[];
}

function typeOfMode(mode: string): "file" | "symlink" | "submodule" {
  if (mode === SYMLINK_MODE) return "symlink";
  return mode === GITLINK_MODE ? "submodule" : "file";
}

/** How one path changed; null when it did not. */
export function changeBetween(
  before: Pick<TreeEntry, "mode" | "objectId"> | undefined,
  after: Pick<TreeEntry, "mode" | "objectId">,
): ChangeKind | null {
  if (before === undefined) return "added";
  if (before.mode === after.mode && before.objectId === after.objectId) return null;
  return typeOfMode(before.mode) === typeOfMode(after.mode) ? "modified" : "type-changed";
}

/** The paths (bytes as latin1) of all files, links and submodules in an entry of a tree. */
export async function listFilesIn(repository: Repository, path: string, entry: TreeEntry): Promise<string[]> {
  if (!isTreeEntry(entry)) return [path];
  const tree = await repository.readTree(entry.objectId);
  const nested = await Promise.all(
    [...tree.values()].map((child) => listFilesIn(repository, `${path}/${child.name}`, child)),
  );
  return nested.flat();
}

/** Makes a list of changes readable and sorts it by path. */
export function sortChanges(changes: Iterable<readonly [bytePath: string, kind: ChangeKind]>): ChangedPath[] {
  return [...changes]
    .sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0))
    .map(([path, kind]) => ({ path: displayPath(path), kind }));
}
