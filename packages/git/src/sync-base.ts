import { openMergeEngine } from "./merge-engine.ts";
import type { ConflictedFile } from "./merge-result.ts";
import { isAncestor, readRef, updateRefs } from "./refs.ts";
import type { Repository } from "./repository.ts";
import { writeCommit } from "./write-commit.ts";
import type { Signature } from "./write-commit.ts";

/** Which branch to take into which integration ref, and who signs a merge commit. */
export interface SyncBaseRequest {
  /** A full ref name. */
  readonly integrationRef: string;
  /** A branch without `refs/heads/`. */
  readonly branch: string;
  readonly author: Signature;
  readonly signal?: AbortSignal;
}

/** What became of it. `created` and `fast-forwarded`: the integration ref now is at the branch's commit. */
export type SyncBaseResult =
  | { readonly state: "created" | "up-to-date" | "fast-forwarded" | "merged"; readonly tip: string }
  | { readonly state: "conflicted"; readonly tip: string; readonly files: readonly ConflictedFile[] };

/**
 * Takes what a person committed to their branch into the integration ref, in the object database: a fast-forward, a merge
 * commit, or the list of conflicts (then nothing moved). Throws `git.ref-moved` when the ref moved meanwhile, and
 * `git.failed` when there is no such branch.
 */
export async function syncBase(repository: Repository, request: SyncBaseRequest): Promise<SyncBaseResult> {
  const { integrationRef, branch, author, signal } = request;
  const theirs = (await repository.git(["rev-parse", "--verify", `refs/heads/${branch}^{commit}`])).stdout
    .toString("utf8")
    .trim();
  const tip = await readRef(repository, integrationRef);
  const move = async (newCommit: string): Promise<void> =>
    await updateRefs(
      repository,
      [{ ref: integrationRef, newCommit, oldCommit: tip }],
      `canopy: sync with ${branch}`,
    );
  if (tip === null) {
    await move(theirs);
    return { state: "created", tip: theirs };
  }
  if (await isAncestor(repository, theirs, tip)) return { state: "up-to-date", tip };
  if (await isAncestor(repository, tip, theirs)) {
    await move(theirs);
    return { state: "fast-forwarded", tip: theirs };
  }
  const engine = openMergeEngine(repository);
  const merged = await engine.mergeCommit({
    tip,
    change: theirs,
    ...(signal === undefined ? {} : { signal }),
  });
  if (merged.state === "conflicted") return { state: "conflicted", tip, files: merged.files };
  const message = `Merge branch '${branch}' into ${integrationRef.replace(/^refs\/heads\//, "")}`;
  const parents = [tip, theirs];
  const commit = await writeCommit(repository, {
    tree: merged.tree,
    parents,
    author,
    committer: author,
    message,
  });
  await move(commit);
  return { state: "merged", tip: commit };
}
