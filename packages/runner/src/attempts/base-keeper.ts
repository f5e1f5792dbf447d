import type { Repository } from "@canopy/git";
import { BASE_REF_PREFIX, listRefs, updateRefs } from "@canopy/git";

/**
 * Keeps the base commits of running attempts alive by a ref each, so that no garbage collection takes them away, and
 * removes the ref when the last attempt on it has ended.
 */
export class BaseKeeper {
  readonly #repository: Repository;
  readonly #users = new Map<string, number>();

  constructor(repository: Repository) {
    this.#repository = repository;
  }

  /** Forgets what an earlier process kept. Call it before the first attempt, after recovery. */
  async clear(): Promise<void> {
    const refs = await listRefs(this.#repository, BASE_REF_PREFIX);
    const unused = refs.filter(({ ref }) => !this.#users.has(ref));
    if (unused.length === 0) return;
    await updateRefs(
      this.#repository,
      unused.map(({ ref }) => ({ ref, newCommit: null })),
    );
  }

  /** Keeps a commit until the returned function is called. */
  async keep(commit: string): Promise<() => Promise<void>> {
    const ref = `${BASE_REF_PREFIX}${commit}`;
    const users = this.#users.get(ref) ?? 0;
    this.#users.set(ref, users + 1);
    if (users === 0) await updateRefs(this.#repository, [{ ref, newCommit: commit }]);
    return async () => {
      const left = (this.#users.get(ref) ?? 1) - 1;
      if (left > 0) {
        this.#users.set(ref, left);
        return;
      }
      this.#users.delete(ref);
      await updateRefs(this.#repository, [{ ref, newCommit: null }]);
    };
  }
}
