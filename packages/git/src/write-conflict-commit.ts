import type { ConflictedMerge } from "./read-conflict.ts";
import type { Repository } from "./repository.ts";
import { writeCommit } from "./write-commit.ts";

/** A conflicted merge to lay out for whoever resolves it. */
export interface ConflictCommitInput {
  readonly tip: string;
  readonly change: string;
  readonly merge: ConflictedMerge;
  readonly message: string;
}

/**
 * Writes a commit on the tip with the conflicted tree, markers included, for a resolver's workspace. It has the change's
 * date, so that doing it again gives the same commit. It must never land as it is.
 */
export async function writeConflictCommit(
  repository: Repository,
  input: ConflictCommitInput,
): Promise<string> {
  const { committedAtMs } = await repository.readCommit(input.change);
  const canopy = { name: "Canopy", email: "canopy@localhost", atMs: committedAtMs };
  return await writeCommit(repository, {
    tree: input.merge.tree,
    parents: [input.tip],
    author: canopy,
    committer: canopy,
    message: input.message,
  });
}
