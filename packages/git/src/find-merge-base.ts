import type { Repository } from "./repository.ts";

/** How a change stands to a tip: contained in it, or starting at a commit that is the only merge base; else unknown. */
export type ChangeBase =
  | { readonly state: "contained" }
  | { readonly state: "based"; readonly base: string }
  | { readonly state: "unknown" };

const MAX_COMMITS = 512;

/**
 * Finds the merge base of a tip and a change with one parent by looking at the commits since that parent. All other
 * common ancestors are ancestors of the parent, so once everything else above it has been seen, the parent is the only
 * merge base. Gives up (`unknown`) after 512 commits.
 */
export async function findChangeBase(
  repository: Repository,
  tip: string,
  change: string,
): Promise<ChangeBase> {
  if (tip === change) return { state: "contained" };
  const [base, ...more] = (await repository.readCommit(change)).parents;
  if (base === undefined || more.length > 0) return { state: "unknown" };
  const seen = new Set([tip]);
  const waiting = [tip];
  let isBaseSeen = tip === base;
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    if (at === change) return { state: "contained" };
    if (at === base) continue;
    if (seen.size > MAX_COMMITS) return { state: "unknown" };
    for (const parent of (await repository.readCommit(at)).parents) {
      isBaseSeen ||= parent === base;
      if (seen.has(parent)) continue;
      seen.add(parent);
      waiting.push(parent);
    }
  }
  return isBaseSeen ? { state: "based", base } : { state: "unknown" };
}
