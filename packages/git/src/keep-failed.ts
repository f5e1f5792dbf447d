import { CanopyError, isCanopyError } from "@canopy/protocol";
import { FAILED_REF_PREFIX, listRefs, updateRefs } from "./refs.ts";
import type { RefValue } from "./refs.ts";
import type { Repository } from "./repository.ts";

/** A candidate that did not land. */
export interface FailedCandidate {
  readonly changeId: string;
  readonly commit: string;
}

const MAX_TRIES = 20;

function numberOf(ref: string): number {
  const number = Number(ref.slice(ref.lastIndexOf("/") + 1));
  return Number.isInteger(number) ? number : 0;
}

/** The kept failures of a change, oldest first. */
export async function listFailed(repository: Repository, changeId: string): Promise<RefValue[]> {
  const refs = await listRefs(repository, `${FAILED_REF_PREFIX}${changeId}/`);
  return refs.sort((left, right) => numberOf(left.ref) - numberOf(right.ref));
}

/**
 * Keeps a failed candidate under `refs/canopy/failed/CHANGE_ID/N`, N counting from 1. Keeping the same commit of a change
 * again answers the ref it has. Throws `git.failed` for an id that is no part of a ref name.
 */
export async function keepFailed(repository: Repository, failed: FailedCandidate): Promise<RefValue> {
  const { changeId, commit } = failed;
  if (!/^[A-Za-z0-9_-]+$/.test(changeId)) {
    throw new CanopyError("git.failed", `not an id for a ref name: ${JSON.stringify(changeId)}`);
  }
  for (let tries = 1; ; tries += 1) {
    const kept = await listFailed(repository, changeId);
    const same = kept.find((value) => value.commit === commit);
    if (same !== undefined) return same;
    const next = Math.max(0, ...kept.map(({ ref }) => numberOf(ref))) + 1;
    const ref = `${FAILED_REF_PREFIX}${changeId}/${next}`;
    try {
      await updateRefs(repository, [{ ref, newCommit: commit, oldCommit: null }]);
      return { ref, commit };
    } catch (error) {
      // Another failure of the same change took the number meanwhile.
      const isTaken = isCanopyError(error) && error.code === "git.ref-moved";
      if (!isTaken || tries >= MAX_TRIES) throw error;
    }
  }
}
