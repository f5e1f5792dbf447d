import { realpath } from "node:fs/promises";
import { CanopyError } from "@canopy/protocol";
import { isObjectId } from "./git-object.ts";
import type { Repository } from "./repository.ts";
import { splitNul } from "./run-git.ts";

/** Where every attempt's commit is kept: followed by the attempt's id. */
export const ATTEMPT_REF_PREFIX = "refs/canopy/attempts/";
/** Where the last of an agent's own commits is kept: followed by the attempt's id. */
export const COMMITS_REF_PREFIX = "refs/canopy/commits/";
/** Where failed candidates are kept: followed by the change's id and a number. */
export const FAILED_REF_PREFIX = "refs/canopy/failed/";
/** Where what a person made of a stuck change is kept: followed by the change's id. */
export const RESOLVED_REF_PREFIX = "refs/canopy/resolved/";
/** Where checkpoints of live sessions are kept. */
export const CHECKPOINT_REF_PREFIX = "refs/canopy/checkpoints/";
/** Where base commits in use are kept alive: followed by the commit's id. */
export const BASE_REF_PREFIX = "refs/canopy/bases/";

/**
 * One move of a ref. `oldCommit` null: the ref must not exist yet; `newCommit` null: delete it; without `oldCommit`:
 * whatever it was.
 */
export interface RefUpdate {
  readonly ref: string;
  readonly newCommit: string | null;
  readonly oldCommit?: string | null;
}

/** A ref and what it points at. */
export interface RefValue {
  readonly ref: string;
  readonly commit: string;
}

function zeroId(repository: Repository): string {
  return "0".repeat(repository.objectFormat === "sha1" ? 40 : 64);
}

function updateLine(repository: Repository, update: RefUpdate): string {
  const zero = zeroId(repository);
  const { ref, newCommit, oldCommit } = update;
  const old = oldCommit === undefined ? "" : (oldCommit ?? zero);
  return newCommit === null ? `delete ${ref}\0${old}\0` : `update ${ref}\0${newCommit}\0${old}\0`;
}

/** The commit a ref points at, or null when there is no such ref. Takes a full name such as `refs/heads/main`. */
export async function readRef(repository: Repository, ref: string): Promise<string | null> {
  const output = await repository.git(
    ["rev-parse", "-q", "--verify", "--end-of-options", `${ref}^{commit}`],
    {
      acceptExitCodes: [0, 1, 128],
    },
  );
  const id = output.stdout.toString("utf8").trim();
  return isObjectId(id) ? id : null;
}

async function findMoved(repository: Repository, updates: readonly RefUpdate[]): Promise<CanopyError | null> {
  for (const update of updates) {
    if (update.oldCommit === undefined) continue;
    const actual = await readRef(repository, update.ref);
    if (actual === update.oldCommit) continue;
    const data = { ref: update.ref, expected: update.oldCommit, actual };
    return new CanopyError(
      "git.ref-moved",
      `${update.ref} is at ${actual ?? "nothing"}, not where it was expected`,
      {
        hint: "Read the ref again and try from there.",
        retry: true,
        data,
      },
    );
  }
  return null;
}

/**
 * Moves refs in one transaction: all or none. A ref that is not where `oldCommit` says throws `git.ref-moved` with
 * `{ref, expected, actual}` and nothing has moved. Makes no reflog; `reason` goes into one that is there already.
 */
export async function updateRefs(
  repository: Repository,
  updates: readonly RefUpdate[],
  reason = "canopy",
): Promise<void> {
  if (updates.length === 0) return;
  for (const update of updates) {
    if (/[\0\n ]/.test(update.ref)) {
      throw new CanopyError("git.failed", `not a ref name: ${JSON.stringify(update.ref)}`);
    }
  }
  const lines = updates.map((update) => updateLine(repository, update));
  try {
    await repository.git(["update-ref", "-m", reason, "--stdin", "-z"], { input: lines.join("") });
  } catch (error) {
    throw (await findMoved(repository, updates)) ?? error;
  }
}

/** The refs whose name starts with a prefix such as `refs/canopy/attempts/`, by name. */
export async function listRefs(repository: Repository, prefix: string): Promise<RefValue[]> {
  const output = await repository.git(["for-each-ref", "--format=%(objectname) %(refname)", prefix]);
  const lines = output.stdout.toString("utf8").split("\n");
  return lines.filter(Boolean).map((line) => {
    const space = line.indexOf(" ");
    return { ref: line.slice(space + 1), commit: line.slice(0, space) };
  });
}

/** True when `ancestor` is `descendant` or one of its ancestors. Throws `git.failed` for an unknown commit. */
export async function isAncestor(
  repository: Repository,
  ancestor: string,
  descendant: string,
): Promise<boolean> {
  const output = await repository.git(["merge-base", "--is-ancestor", ancestor, descendant], {
    acceptExitCodes: [0, 1],
  });
  return output.exitCode === 0;
}

/** A working tree of a repository, the main one or a linked one. */
export interface WorktreeInfo {
  readonly path: string;
  /** The checked-out branch without `refs/heads/`, null when detached or bare. */
  readonly branch: string | null;
  readonly isBare: boolean;
}

/** All working trees that git knows of whose folder still exists, the main one first. */
export async function listWorktrees(repository: Repository): Promise<WorktreeInfo[]> {
  const output = await repository.git(["worktree", "list", "--porcelain", "-z"]);
  const worktrees: WorktreeInfo[] = [];
  let current: { path: string; branch: string | null; isBare: boolean } | null = null;
  for (const field of splitNul(output.stdout)) {
    if (field.startsWith("worktree ")) {
      current = { path: field.slice("worktree ".length), branch: null, isBare: false };
      worktrees.push(current);
    } else if (current !== null && field.startsWith("branch refs/heads/")) {
      current.branch = field.slice("branch refs/heads/".length);
    } else if (current !== null && field === "bare") {
      current.isBare = true;
    }
  }
  const present = await Promise.all(
    worktrees.map((worktree) =>
      realpath(worktree.path).then(
        (path) => ({ ...worktree, path }),
        () => null,
      ),
    ),
  );
  return present.filter((worktree) => worktree !== null);
}

/** The working trees that have this branch (without `refs/heads/`) checked out. */
export async function worktreesWithBranch(repository: Repository, branch: string): Promise<string[]> {
  const worktrees = await listWorktrees(repository);
  return worktrees.filter((worktree) => worktree.branch === branch).map((worktree) => worktree.path);
}
