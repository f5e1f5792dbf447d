import { isCanopyError } from "@canopy/protocol";
import type { CommitHeader } from "./git-object.ts";
import type { Repository } from "./repository.ts";

/** How a change stands to a tip: contained in it, or with one merge base; else unknown. */
export type ChangeBase =
  | { readonly state: "contained" }
  | { readonly state: "based"; readonly base: string }
  | { readonly state: "unknown" };

const MAX_COMMITS = 2048;

const OF_TIP = 1;
const OF_CHANGE = 2;
const OF_BOTH = OF_TIP | OF_CHANGE;
/** An ancestor of a common ancestor: never a merge base itself. */
const STALE = 4;

interface Queued {
  readonly commit: string;
  readonly header: CommitHeader;
}

/** Commits by date, the newest last. */
class CommitQueue {
  readonly #items: Queued[] = [];

  add(item: Queued): void {
    let [low, high] = [0, this.#items.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#items[middle]?.header.committedAtMs ?? 0) < item.header.committedAtMs) low = middle + 1;
      else high = middle;
    }
    this.#items.splice(low, 0, item);
  }

  takeNewest(): Queued | undefined {
    return this.#items.pop();
  }

  some(predicate: (commit: string) => boolean): boolean {
    return this.#items.some(({ commit }) => predicate(commit));
  }
}

async function readHeader(repository: Repository, commit: string): Promise<CommitHeader | null> {
  try {
    return await repository.readCommit(commit);
  } catch (error) {
    // The history of a shallow clone ends at commits whose parents are not there.
    if (isCanopyError(error) && error.code === "git.failed") return null;
    throw error;
  }
}

/**
 * The best common ancestors of two commits, or more than those; null when the search is given up. Both commits are
 * painted and the colours run down to the parents, newest first, until all that is left is below a common ancestor.
 */
async function paintDown(repository: Repository, tip: string, change: string): Promise<string[] | null> {
  const flags = new Map<string, number>();
  const queue = new CommitQueue();
  const common = new Set<string>();
  const paint = async (commit: string, colour: number): Promise<boolean> => {
    const before = flags.get(commit) ?? 0;
    if ((before & colour) === colour) return true;
    flags.set(commit, before | colour);
    const header = await readHeader(repository, commit);
    if (header !== null) queue.add({ commit, header });
    return header !== null;
  };
  const isFresh = (commit: string): boolean => ((flags.get(commit) ?? 0) & STALE) === 0;
  if (!(await paint(tip, OF_TIP)) || !(await paint(change, OF_CHANGE))) return null;
  while (queue.some(isFresh)) {
    const next = queue.takeNewest();
    if (next === undefined || flags.size > MAX_COMMITS) return null;
    let colour = flags.get(next.commit) ?? 0;
    if ((colour & OF_BOTH) === OF_BOTH) {
      if ((colour & STALE) === 0) common.add(next.commit);
      colour |= STALE;
    }
    for (const parent of next.header.parents) if (!(await paint(parent, colour))) return null;
  }
  return [...common].filter(isFresh);
}

/**
 * Finds the merge base of a tip and a change in this process, as git does. Answers `unknown` when there are several or
 * none, or after 2048 commits: then git has to look.
 */
export async function findChangeBase(
  repository: Repository,
  tip: string,
  change: string,
): Promise<ChangeBase> {
  if (tip === change) return { state: "contained" };
  const [base, ...more] = (await paintDown(repository, tip, change)) ?? [];
  if (base === undefined || more.length > 0) return { state: "unknown" };
  return base === change ? { state: "contained" } : { state: "based", base };
}
