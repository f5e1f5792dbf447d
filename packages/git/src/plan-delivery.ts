import { lstat, readFile, readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { CanopyError, unreachable } from "@canopy/protocol";
import { isAncestor, readRef, updateRefs, worktreesWithBranch, listWorktrees } from "./refs.ts";
import type { Repository } from "./repository.ts";
import { runGit, splitNul } from "./run-git.ts";

/** An operation of git that a person has begun in a working tree and not ended. */
export type OngoingOperation = "rebase" | "am" | "merge" | "cherry-pick" | "revert" | "bisect";

/** One thing that stands in the way of bringing work to a branch. Paths are readable; lists are sorted. */
export type DeliveryBlocker =
  | { readonly kind: "branch-missing"; readonly branch: string }
  | { readonly kind: "not-fast-forward"; readonly aheadCount: number; readonly behindCount: number }
  | { readonly kind: "dirty-files"; readonly worktree: string; readonly paths: readonly string[] }
  | { readonly kind: "untracked-files"; readonly worktree: string; readonly paths: readonly string[] }
  | { readonly kind: "operation"; readonly worktree: string; readonly operation: OngoingOperation }
  | { readonly kind: "index-locked"; readonly worktree: string; readonly path: string }
  | { readonly kind: "checked-out-twice"; readonly worktrees: readonly string[] };

/** What delivering would do. `worktree` null: the branch is checked out nowhere. */
export type DeliveryPlan =
  | { readonly state: "up-to-date"; readonly commit: string }
  | { readonly state: "ready"; readonly from: string; readonly to: string; readonly worktree: string | null }
  | { readonly state: "blocked"; readonly blockers: readonly DeliveryBlocker[] };

/** From where to where: a full ref name, and a branch without `refs/heads/`. */
export interface DeliveryRequest {
  readonly integrationRef: string;
  readonly branch: string;
  readonly signal?: AbortSignal;
}

async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}

async function gitDirectoryOf(worktree: string): Promise<string> {
  const output = await runGit({
    args: ["rev-parse", "--absolute-git-dir"],
    cwd: worktree,
    configuration: "person",
  });
  return output.stdout.toString("utf8").replace(/\n$/, "");
}

async function readLine(path: string): Promise<string | null> {
  return await readFile(path, "utf8").then(
    (text) => text.trim(),
    () => null,
  );
}

const OPERATION_FILES: readonly (readonly [file: string, operation: OngoingOperation])[] = [
  ["MERGE_HEAD", "merge"],
  ["CHERRY_PICK_HEAD", "cherry-pick"],
  ["REVERT_HEAD", "revert"],
];

/** The operation going on in a working tree that has something to do with the branch, or null. */
async function findOperation(
  gitDir: string,
  branch: string,
  isCheckedOut: boolean,
): Promise<OngoingOperation | null> {
  const ref = `refs/heads/${branch}`;
  const isOurs = (name: string | null): boolean => isCheckedOut || name === ref || name === branch;
  if (await exists(join(gitDir, "rebase-merge"))) {
    if (isOurs(await readLine(join(gitDir, "rebase-merge", "head-name")))) return "rebase";
  }
  if (await exists(join(gitDir, "rebase-apply"))) {
    const operation = (await exists(join(gitDir, "rebase-apply", "applying"))) ? "am" : "rebase";
    if (isOurs(await readLine(join(gitDir, "rebase-apply", "head-name")))) return operation;
  }
  if (isOurs(await readLine(join(gitDir, "BISECT_START"))) && (await exists(join(gitDir, "BISECT_LOG"))))
    return "bisect";
  if (!isCheckedOut) return null;
  for (const [file, operation] of OPERATION_FILES) {
    if (await exists(join(gitDir, file))) return operation;
  }
  return null;
}

async function readDirtyPaths(worktree: string, signal: AbortSignal | undefined): Promise<Set<string>> {
  const output = await runGit({
    args: [
      "status",
      "--porcelain=v1",
      "-z",
      "--no-renames",
      "--untracked-files=no",
      "--ignore-submodules=all",
    ],
    cwd: worktree,
    configuration: "person",
    signal,
  });
  return new Set(splitNul(output.stdout).map((line) => line.slice(3)));
}

/** What keeps a new file from being written: a file in its place, one where a folder must be, or those in a folder. */
async function findInTheWay(worktree: string, path: string, leaving: ReadonlySet<string>): Promise<string[]> {
  const parts = path.split("/");
  for (let depth = 1; depth < parts.length; depth += 1) {
    const parent = parts.slice(0, depth).join("/");
    const info = await lstat(join(worktree, parent)).catch(() => null);
    if (info === null) return [];
    // Nothing below is looked at: it could only be seen through a link.
    if (!info.isDirectory()) return leaving.has(parent) ? [] : [parent];
  }
  const info = await lstat(join(worktree, path)).catch(() => null);
  if (info === null) return [];
  if (!info.isDirectory()) return [path];
  const entries = await readdir(join(worktree, path), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(worktree, join(entry.parentPath, entry.name)))
    .filter((file) => !leaving.has(file));
}

/** Files, ignored ones included, in the way of added ones. `leaving` are tracked files that the delivery takes away. */
async function findUntrackedInTheWay(
  worktree: string,
  added: readonly string[],
  leaving: ReadonlySet<string>,
): Promise<string[]> {
  const found = await Promise.all(added.map((path) => findInTheWay(worktree, path, leaving)));
  return [...new Set(found.flat())].sort();
}

async function diffPaths(
  repository: Repository,
  from: string,
  to: string,
): Promise<{ added: string[]; other: string[] }> {
  const output = await repository.git(["diff-tree", "-r", "-z", "--name-status", "--no-renames", from, to]);
  const fields = splitNul(output.stdout);
  const added: string[] = [];
  const other: string[] = [];
  for (let index = 0; index + 1 < fields.length; index += 2) {
    (fields[index] === "A" ? added : other).push(fields[index + 1] ?? "");
  }
  return { added, other };
}

interface Move {
  readonly from: string;
  readonly to: string;
  readonly signal: AbortSignal | undefined;
}

async function findWorktreeBlockers(
  repository: Repository,
  worktree: string,
  move: Move,
): Promise<DeliveryBlocker[]> {
  const blockers: DeliveryBlocker[] = [];
  const lock = join(await gitDirectoryOf(worktree), "index.lock");
  if (await exists(lock)) blockers.push({ kind: "index-locked", worktree, path: lock });
  const dirty = await readDirtyPaths(worktree, move.signal);
  const { added, other } = await diffPaths(repository, move.from, move.to);
  const dirtyInTheWay = [...added, ...other].filter((path) => dirty.has(path)).sort();
  if (dirtyInTheWay.length > 0) blockers.push({ kind: "dirty-files", worktree, paths: dirtyInTheWay });
  const untracked = await findUntrackedInTheWay(
    worktree,
    added.filter((path) => !dirty.has(path)),
    new Set(other),
  );
  if (untracked.length > 0) blockers.push({ kind: "untracked-files", worktree, paths: untracked });
  return blockers;
}

async function findOperationBlockers(repository: Repository, branch: string): Promise<DeliveryBlocker[]> {
  const blockers: DeliveryBlocker[] = [];
  for (const worktree of await listWorktrees(repository)) {
    if (worktree.isBare) continue;
    const gitDir = await gitDirectoryOf(worktree.path);
    const operation = await findOperation(gitDir, branch, worktree.branch === branch);
    if (operation !== null) blockers.push({ kind: "operation", worktree: worktree.path, operation });
  }
  return blockers;
}

async function countBetween(
  repository: Repository,
  from: string,
  to: string,
): Promise<{ ahead: number; behind: number }> {
  const output = await repository.git(["rev-list", "--left-right", "--count", `${from}...${to}`]);
  const [behind = "0", ahead = "0"] = output.stdout.toString("utf8").trim().split("\t");
  return { ahead: Number(ahead), behind: Number(behind) };
}

async function requireIntegration(repository: Repository, integrationRef: string): Promise<string> {
  const commit = await readRef(repository, integrationRef);
  if (commit !== null) return commit;
  throw new CanopyError("git.failed", `there is no ${integrationRef}`, {
    hint: "Nothing has landed yet.",
    data: { ref: integrationRef },
  });
}

/**
 * Finds out whether landed work can be brought to a branch by a fast-forward, and else everything that stands in the way.
 * Reads only; the index is not refreshed either. Files count only where the delivery would touch them.
 */
export async function planDelivery(repository: Repository, request: DeliveryRequest): Promise<DeliveryPlan> {
  const { integrationRef, branch, signal } = request;
  const to = await requireIntegration(repository, integrationRef);
  const from = await readRef(repository, `refs/heads/${branch}`);
  if (from === null) return { state: "blocked", blockers: [{ kind: "branch-missing", branch }] };
  if (from === to || (await isAncestor(repository, to, from))) return { state: "up-to-date", commit: from };
  const blockers = await findOperationBlockers(repository, branch);
  const { ahead, behind } = await countBetween(repository, from, to);
  if (behind > 0) blockers.push({ kind: "not-fast-forward", aheadCount: ahead, behindCount: behind });
  const [worktree = null, ...more] = await worktreesWithBranch(repository, branch);
  if (more.length > 0) blockers.push({ kind: "checked-out-twice", worktrees: [worktree ?? "", ...more] });
  if (worktree !== null && behind === 0) {
    blockers.push(...(await findWorktreeBlockers(repository, worktree, { from, to, signal })));
  }
  return blockers.length > 0 ? { state: "blocked", blockers } : { state: "ready", from, to, worktree };
}

function list(paths: readonly string[]): string {
  const shown = paths.slice(0, 5).join(", ");
  return paths.length > 5 ? `${shown} and ${paths.length - 5} more` : shown;
}

/** One line about a blocker, for people. */
export function describeBlocker(blocker: DeliveryBlocker): string {
  switch (blocker.kind) {
    case "branch-missing":
      return `there is no branch ${blocker.branch}`;
    case "not-fast-forward":
      return `the branch has ${blocker.behindCount} commit(s) that the landed work does not have`;
    case "dirty-files":
      return `uncommitted changes in files that would be overwritten: ${list(blocker.paths)}`;
    case "untracked-files":
      return `untracked files in the way: ${list(blocker.paths)}`;
    case "operation":
      return `a ${blocker.operation} is going on in ${blocker.worktree}`;
    case "index-locked":
      return `another git process holds ${blocker.path}`;
    case "checked-out-twice":
      return `the branch is checked out in several working trees: ${list(blocker.worktrees)}`;
    default:
      return unreachable(blocker);
  }
}

async function fastForwardWorktree(worktree: string, move: Move): Promise<void> {
  const flags = [
    "--ff-only",
    "--no-overwrite-ignore",
    "--no-stat",
    "--no-autostash",
    "--no-verify-signatures",
  ];
  await runGit({
    // The person's own git, but without hooks; the branch's reflog gets its line as always.
    args: [
      "-c",
      "core.logAllRefUpdates=true",
      "-c",
      "submodule.recurse=false",
      "merge",
      "--quiet",
      ...flags,
      move.to,
    ],
    cwd: worktree,
    configuration: "person",
    signal: move.signal,
  });
}

function blockedError(blockers: readonly DeliveryBlocker[], branch: string, cause?: unknown): CanopyError {
  return new CanopyError(
    "deliver.blocked",
    `cannot deliver to ${branch}: ${blockers.map(describeBlocker).join("; ")}`,
    {
      hint: "Clear what is in the way and deliver again. Nothing was changed.",
      retry: true,
      data: { branch, blockers: blockers.map((blocker) => ({ ...blocker })) },
      ...(cause === undefined ? {} : { cause }),
    },
  );
}

/**
 * Brings landed work to a branch by a fast-forward, and answers what was done (or that nothing was to do). A branch that is
 * checked out moves together with its working tree, as `git merge --ff-only` does it. Never stashes, resets or forces.
 * Throws `deliver.blocked` with the list of blockers, or `git.ref-moved` when the branch moved meanwhile.
 */
export async function deliverFastForward(
  repository: Repository,
  request: DeliveryRequest,
): Promise<Exclude<DeliveryPlan, { state: "blocked" }>> {
  const plan = await planDelivery(repository, request);
  if (plan.state === "blocked") throw blockedError(plan.blockers, request.branch);
  if (plan.state === "up-to-date") return plan;
  if (plan.worktree === null) {
    const update = { ref: `refs/heads/${request.branch}`, newCommit: plan.to, oldCommit: plan.from };
    await updateRefs(repository, [update], "canopy: deliver");
    return plan;
  }
  try {
    await fastForwardWorktree(plan.worktree, { ...plan, signal: request.signal });
  } catch (error) {
    // Something came in between: say what, if it can be seen.
    const again = await planDelivery(repository, request);
    if (again.state === "blocked") throw blockedError(again.blockers, request.branch, error);
    throw error;
  }
  return plan;
}
