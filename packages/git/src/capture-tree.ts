import { changeBetween, sortChanges } from "./capture-result.ts";
import type { Capture, ChangeKind } from "./capture-result.ts";
import { GITLINK_MODE, bytePathOf, displayPath, isTreeEntry } from "./git-object.ts";
import type { Tree } from "./git-object.ts";
import { importAgentCommits } from "./import-agent-commits.ts";
import { explainFullDisk } from "./materialize-commit.ts";
import { openDirectory } from "./open-directory.ts";
import type { OpenDirectory } from "./open-directory.ts";
import type { Repository } from "./repository.ts";
import { runGit } from "./run-git.ts";
import type { GitOutput } from "./run-git.ts";
import { createScratchGitDirectory } from "./scratch-git-directory.ts";
import { isEmbeddedRepository, isGitDirectoryName } from "./walk-upper.ts";

/** A workspace that is a plain folder. */
export interface CaptureTreeOptions {
  /** The commit that the folder was made from. */
  readonly baseCommit: string;
  readonly workTree: string;
  /** Readable paths that are not the agent's work, such as files brought along. */
  readonly excludePaths?: readonly string[];
  /** The agent's private git directory; null or missing: do not look for commits. */
  readonly agentGitDirectory?: string | null;
  readonly signal?: AbortSignal;
}

/** Folders below the root that are repositories of their own and not in the base, as bytes in latin1. */
async function findEmbeddedRepositories(
  repository: Repository,
  directory: OpenDirectory,
  place: { readonly path: string; readonly base: Tree },
): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await directory.list()) {
    const base = place.base.get(entry.name);
    if (entry.kind !== "directory" || isGitDirectoryName(entry.name) || base?.mode === GITLINK_MODE) continue;
    const child = await directory.openChild(entry.name);
    if (child === null) continue;
    await using open = child;
    const path = place.path + entry.name;
    if (!isTreeEntry(base) && (await isEmbeddedRepository(open))) {
      found.push(path);
      continue;
    }
    const tree = await repository.readTree(isTreeEntry(base) ? base.objectId : null);
    found.push(...(await findEmbeddedRepositories(repository, open, { path: `${path}/`, base: tree })));
  }
  return found;
}

function parseRawDiff(output: Buffer): [string, ChangeKind][] {
  const fields = output.toString("latin1").split("\0");
  const changes: [string, ChangeKind][] = [];
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const [beforeMode = "", afterMode = "", before = "", after = ""] = (fields[index] ?? "")
      .slice(1)
      .split(" ");
    const path = fields[index + 1] ?? "";
    const old = beforeMode === "000000" ? undefined : { mode: beforeMode, objectId: before };
    const kind =
      afterMode === "000000" ? "deleted" : changeBetween(old, { mode: afterMode, objectId: after });
    if (kind !== null) changes.push([path, kind]);
  }
  return changes;
}

/** The paths that differ between two trees or commits, sorted. */
export async function listChanges(
  repository: Repository,
  from: string,
  to: string,
): Promise<Capture["changed"]> {
  const output = await repository.git(["diff-tree", "-r", "-z", "--raw", "--no-renames", from, to]);
  return sortChanges(parseRawDiff(output.stdout));
}

async function findExcluded(repository: Repository, options: CaptureTreeOptions): Promise<string[]> {
  const root = await openDirectory(options.workTree);
  if (root === null) return [];
  await using open = root;
  const { tree } = await repository.readCommit(options.baseCommit);
  const place = { path: "", base: await repository.readTree(tree) };
  const embedded = await findEmbeddedRepositories(repository, open, place);
  return [...embedded.map(displayPath), ...(options.excludePaths ?? [])];
}

/**
 * Captures a plain folder as a tree, with `git add -A` into a private index from a clean git directory. Embedded
 * repositories are left out. The agent's commits are imported and reported as in `captureUpper`. Cost follows the size of
 * the repository. Throws `disk.full`, `cancelled` or `git.failed`.
 */
export async function captureTree(repository: Repository, options: CaptureTreeOptions): Promise<Capture> {
  await using scratch = await createScratchGitDirectory(repository);
  const run = (args: string[], input?: Buffer): Promise<GitOutput> =>
    runGit({
      args,
      cwd: options.workTree,
      gitDir: scratch.path,
      workTree: options.workTree,
      indexFile: scratch.indexFile,
      objectDirectory: repository.objectDirectory,
      signal: options.signal,
      ...(input === undefined ? {} : { input }),
    });
  try {
    const excluded = await findExcluded(repository, options);
    const pathspecs = [":/", ...excluded.map((path) => `:(top,exclude,literal)${path}`)];
    const input = Buffer.from(pathspecs.map((path) => `${bytePathOf(path)}\0`).join(""), "latin1");
    await run(["read-tree", options.baseCommit]);
    await run(["add", "--all", "--pathspec-from-file=-", "--pathspec-file-nul"], input);
    const tree = (await run(["write-tree"])).stdout.toString("utf8").trim();
    const { tree: baseTree } = await repository.readCommit(options.baseCommit);
    const changed = await listChanges(repository, baseTree, tree);
    const commits = await importAgentCommits(repository, {
      baseCommit: options.baseCommit,
      agentGitDirectory: options.agentGitDirectory ?? null,
      signal: options.signal,
    });
    return { tree, changed, ...commits };
  } catch (error) {
    throw await explainFullDisk(error, repository.objectDirectory);
  }
}
