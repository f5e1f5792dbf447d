import { findChangeBase } from "./find-merge-base.ts";
import { mergeByGit } from "./merge-by-git.ts";
import type { ConflictedFile } from "./merge-result.ts";
import { mergeTrees } from "./merge-trees.ts";
import type { Repository } from "./repository.ts";
import { createScratchObjects } from "./scratch-objects.ts";

/** Two commits that may get in each other's way. */
export interface ProbeRequest {
  readonly left: string;
  readonly right: string;
  readonly signal?: AbortSignal;
}

/** Whether two commits would merge, and where not. Stage 2 of a file is the left one, stage 3 the right one. */
export type Overlap =
  | { readonly state: "clean" }
  | { readonly state: "conflicted"; readonly files: readonly ConflictedFile[] };

/** The directories whose contents git has to judge; null when whole entries decide. */
async function findContested(
  repository: Repository,
  { left, right }: ProbeRequest,
): Promise<readonly string[] | null> {
  const base = await findChangeBase(repository, left, right);
  if (base.state === "contained") return null;
  if (base.state === "unknown") return [""];
  const trees = {
    base: (await repository.readCommit(base.base)).tree,
    ours: (await repository.readCommit(left)).tree,
    theirs: (await repository.readCommit(right)).tree,
  };
  const merged = await mergeTrees(repository, trees, { isDryRun: true });
  return merged.state === "contested" ? merged.directories : null;
}

/**
 * Says whether two commits would merge. Writes nothing to the repository: what git writes on the way goes to a temporary
 * folder that has the repository's objects as its alternate.
 */
export async function probeOverlap(repository: Repository, request: ProbeRequest): Promise<Overlap> {
  const directories = await findContested(repository, request);
  if (directories === null) return { state: "clean" };
  await using scratch = await createScratchObjects(repository);
  const { left: tip, right: change, signal } = request;
  const { objectDirectory } = scratch;
  const { result } = await mergeByGit(repository, {
    tip,
    change,
    tipTree: (await repository.readCommit(tip)).tree,
    directories,
    objectDirectory,
    signal,
  });
  return result.state === "clean" ? { state: "clean" } : { state: "conflicted", files: result.files };
}
