import { COMMITS_REF_PREFIX, readRef } from "./refs.ts";
import type { Repository } from "./repository.ts";

const MAX_COMMITS = 500;

/**
 * The commits that an agent made itself in an attempt, oldest first, along first parents; at most the last 500, and none
 * when the attempt has no kept commits. They may hold files that capture leaves out: never land them as they are.
 */
export async function readAgentCommits(
  repository: Repository,
  attemptId: string,
  baseCommit: string,
): Promise<string[]> {
  const head = await readRef(repository, `${COMMITS_REF_PREFIX}${attemptId}`);
  if (head === null) return [];
  const output = await repository.git([
    "rev-list",
    "--reverse",
    "--first-parent",
    `--max-count=${MAX_COMMITS}`,
    head,
    `^${baseCommit}`,
  ]);
  return output.stdout.toString("utf8").split("\n").filter(Boolean);
}
