import { join } from "node:path";
import { changeBetween, listFilesIn, sortChanges } from "./capture-result.ts";
import type { Capture, ChangeKind } from "./capture-result.ts";
import { editTree } from "./edit-tree.ts";
import type { TreeEdit } from "./edit-tree.ts";
import { bytePathOf, isTreeEntry } from "./git-object.ts";
import { openIgnoreChecker } from "./ignore-checker.ts";
import { importAgentCommits } from "./import-agent-commits.ts";
import { explainFullDisk } from "./materialize-commit.ts";
import type { Repository } from "./repository.ts";
import { runGit } from "./run-git.ts";
import type { GitOutput } from "./run-git.ts";
import { createScratchGitDirectory } from "./scratch-git-directory.ts";
import type { ScratchGitDirectory } from "./scratch-git-directory.ts";
import { walkUpper } from "./walk-upper.ts";
import type { Candidate, UpperWalk } from "./walk-upper.ts";

/** An overlay workspace to capture. */
export interface CaptureUpperOptions {
  /** The commit that the overlay's lower layers hold. */
  readonly baseCommit: string;
  readonly upperDirectory: string;
  /** The merged view, as this process can read it: `/proc/PID/root` + `workTree` for a private mount. */
  readonly mergedDirectory: string;
  /** The merged view, as a command started with `enter` sees it. */
  readonly workTree: string;
  /** Put before a command to run it where the overlay is mounted; empty when it is mounted here. */
  readonly enter?: readonly string[];
  /** Readable paths that are not the agent's work, such as files brought along. */
  readonly excludePaths?: readonly string[];
  /** The agent's private git directory, as this process can read it; null or missing: do not look for commits. */
  readonly agentGitDirectory?: string | null;
  readonly signal?: AbortSignal;
}

interface CapturedFile {
  readonly mode: string;
  readonly objectId: string;
}

function parseStagedFiles(output: Buffer): Map<string, CapturedFile> {
  const files = new Map<string, CapturedFile>();
  for (const line of output.toString("latin1").split("\0")) {
    const tab = line.indexOf("\t");
    const [mode = "", objectId = ""] = line.slice(0, tab).split(" ");
    if (tab > 0) files.set(line.slice(tab + 1), { mode, objectId });
  }
  return files;
}

/**
 * Lets git write the candidates as blobs: through an index that holds only them, at first as they are in the base, for
 * end-of-line conversion looks at what is there already. Attributes and filters apply as in `git add`.
 */
async function stageCandidates(
  repository: Repository,
  scratch: ScratchGitDirectory,
  candidates: readonly Candidate[],
  options: CaptureUpperOptions,
): Promise<Map<string, CapturedFile>> {
  const run = (args: string[], input: string, isInside: boolean): Promise<GitOutput> =>
    runGit({
      args: isInside ? ["-C", options.workTree, ...args] : args,
      cwd: scratch.path,
      gitDir: scratch.path,
      workTree: isInside ? options.workTree : scratch.path,
      indexFile: scratch.indexFile,
      objectDirectory: repository.objectDirectory,
      input: Buffer.from(input, "latin1"),
      signal: options.signal,
      ...(isInside && options.enter !== undefined ? { enter: options.enter } : {}),
    });
  const known = candidates.filter(({ base }) => base !== undefined && !isTreeEntry(base));
  if (known.length > 0) {
    const lines = known.map(({ path, base }) => `${base?.mode ?? ""} ${base?.objectId ?? ""}\t${path}\0`);
    await run(["update-index", "-z", "--index-info"], lines.join(""), false);
  }
  const paths = candidates.map(({ path }) => `${path}\0`).join("");
  await run(["update-index", "--add", "--remove", "-z", "--stdin"], paths, true);
  const staged = await run(["ls-files", "--stage", "-z"], "", false);
  return parseStagedFiles(staged.stdout);
}

interface TreeChange {
  readonly edits: TreeEdit[];
  readonly changes: Map<string, ChangeKind>;
}

async function compare(
  repository: Repository,
  walk: UpperWalk,
  staged: ReadonlyMap<string, CapturedFile>,
): Promise<TreeChange> {
  const edits: TreeEdit[] = [];
  const changes = new Map<string, ChangeKind>();
  for (const { path, base } of walk.removed) {
    edits.push({ path, entry: null });
    for (const file of await listFilesIn(repository, path, base)) changes.set(file, "deleted");
  }
  for (const { path, base } of walk.candidates) {
    const file = staged.get(path);
    const before = isTreeEntry(base) ? undefined : base;
    if (file === undefined) {
      // It vanished between the walk and git's look at it.
      if (before === undefined) continue;
      edits.push({ path, entry: null });
      changes.set(path, "deleted");
      continue;
    }
    const kind = changeBetween(before, file);
    if (kind === null) continue;
    edits.push({ path, entry: file });
    changes.set(path, kind);
  }
  return { edits, changes };
}

async function captureFiles(
  repository: Repository,
  options: CaptureUpperOptions,
): Promise<Omit<Capture, "agentHead" | "agentCommits" | "notes">> {
  const { tree: baseTree } = await repository.readCommit(options.baseCommit);
  await using scratch = await createScratchGitDirectory(repository);
  await using ignoreChecker = openIgnoreChecker({
    gitDirectory: scratch.path,
    workTree: options.workTree,
    ...(options.enter === undefined ? {} : { enter: options.enter }),
  });
  const walk = await walkUpper(repository, ignoreChecker, {
    upperDirectory: options.upperDirectory,
    mergedDirectory: options.mergedDirectory,
    baseTree,
    excluded: new Set((options.excludePaths ?? []).map(bytePathOf)),
  });
  const staged =
    walk.candidates.length === 0
      ? new Map<string, CapturedFile>()
      : await stageCandidates(repository, scratch, walk.candidates, options);
  const { edits, changes } = await compare(repository, walk, staged);
  const tree = edits.length === 0 ? baseTree : await editTree(repository, baseTree, edits);
  return { tree, changed: sortChanges(changes) };
}

/**
 * Captures an overlay workspace as a tree in the repository's object database, at a cost that follows the number of
 * changed files. The result is the tree that `git add -A` would give, but that embedded repositories are left out. The
 * agent's commits are imported and reported. Nothing of the agent's git directory is ever executed or used as
 * configuration. Throws `disk.full`, `workspace.failed`, `cancelled` or `git.failed` (retry: the files changed meanwhile).
 */
export async function captureUpper(repository: Repository, options: CaptureUpperOptions): Promise<Capture> {
  try {
    const files = await captureFiles(repository, options);
    const commits = await importAgentCommits(repository, {
      baseCommit: options.baseCommit,
      agentGitDirectory: options.agentGitDirectory ?? null,
      signal: options.signal,
    });
    return { ...files, ...commits };
  } catch (error) {
    throw await explainFullDisk(error, join(repository.objectDirectory));
  }
}
