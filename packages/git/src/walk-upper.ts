import { CanopyError } from "@canopy/protocol";
import { GITLINK_MODE, displayPath, isTreeEntry } from "./git-object.ts";
import type { Tree, TreeEntry } from "./git-object.ts";
import type { IgnoreChecker } from "./ignore-checker.ts";
import { openDirectory } from "./open-directory.ts";
import type { DirectoryEntry, OpenDirectory } from "./open-directory.ts";
import type { Repository } from "./repository.ts";

/** A file or link that may differ from the base. `base` is what the base tree has at that very path, if anything. */
export interface Candidate {
  readonly path: string;
  readonly base: TreeEntry | undefined;
}

/** What a walk over an upper directory found. Paths are bytes as latin1. */
export interface UpperWalk {
  readonly candidates: Candidate[];
  /** Entries of the base (files, links, whole directories) that the merged view no longer shows as such. */
  readonly removed: { readonly path: string; readonly base: TreeEntry }[];
}

interface WalkContext {
  readonly repository: Repository;
  readonly ignoreChecker: IgnoreChecker;
  readonly excluded: ReadonlySet<string>;
  readonly result: UpperWalk;
}

interface Level {
  readonly path: string;
  readonly upper: OpenDirectory;
  readonly merged: OpenDirectory;
  readonly base: Tree;
}

/** True for names that git never tracks: its own directory, however it is spelled. */
export function isGitDirectoryName(name: string): boolean {
  const lower = name.toLowerCase();
  return lower === ".git" || lower === "git~1";
}

function isTracked(entry: TreeEntry | undefined): boolean {
  return entry !== undefined && !isTreeEntry(entry);
}

function removeBaseEntries(
  context: WalkContext,
  level: Level,
  merged: ReadonlyMap<string, DirectoryEntry>,
): void {
  for (const entry of level.base.values()) {
    const path = level.path + entry.name;
    if (context.excluded.has(path)) continue;
    const visible = merged.get(entry.name)?.kind;
    const isKept = isTreeEntry(entry)
      ? visible === "directory"
      : visible === "file" ||
        visible === "symlink" ||
        (visible === "directory" && entry.mode === GITLINK_MODE);
    if (!isKept) context.result.removed.push({ path, base: entry });
  }
}

/** True for a directory that is a repository of its own: it holds a `.git` file, or a `.git` directory with a HEAD. */
export async function isEmbeddedRepository(directory: OpenDirectory): Promise<boolean> {
  const kind = await directory.kindOf(".git");
  if (kind === "file") return true;
  if (kind !== "directory") return false;
  const gitDirectory = await directory.openChild(".git");
  if (gitDirectory === null) return false;
  await using _closing = gitDirectory;
  return (await gitDirectory.kindOf("HEAD")) !== null;
}

async function requireReadable<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const errno = error instanceof Error && "code" in error ? error.code : "";
    if (errno !== "EACCES" && errno !== "EPERM") throw error;
    const readable = displayPath(path);
    throw new CanopyError("workspace.failed", `a folder of the workspace may not be entered: ${readable}`, {
      hint: "Give its owner the right to read it.",
      data: { path: readable },
      cause: error,
    });
  }
}

async function walkChild(context: WalkContext, level: Level, name: string): Promise<void> {
  const base = level.base.get(name);
  const path = level.path + name;
  const upper = await requireReadable(path, level.upper.openChild(name));
  if (upper === null) return;
  await using _closingUpper = upper;
  const merged = await requireReadable(path, level.merged.openChild(name));
  if (merged === null) return;
  await using _closingMerged = merged;
  const isKnown = isTreeEntry(base);
  if (!isKnown && (await isEmbeddedRepository(merged))) return;
  const tree = await context.repository.readTree(isKnown ? base.objectId : null);
  await walkLevel(context, { path: `${level.path}${name}/`, upper, merged, base: tree });
}

async function selectNotIgnored(
  context: WalkContext,
  level: Level,
  entries: DirectoryEntry[],
): Promise<DirectoryEntry[]> {
  const isNew = (entry: DirectoryEntry): boolean => {
    const base = level.base.get(entry.name);
    return entry.kind === "directory" ? !isTreeEntry(base) : !isTracked(base);
  };
  const asked = entries.filter(isNew);
  const answers = await context.ignoreChecker.areIgnored(asked.map((entry) => level.path + entry.name));
  const ignored = new Set(asked.filter((_entry, index) => answers[index] === true));
  return entries.filter((entry) => !ignored.has(entry));
}

async function walkLevel(context: WalkContext, level: Level): Promise<void> {
  const [upperEntries, mergedEntries] = await Promise.all([level.upper.list(), level.merged.list()]);
  const merged = new Map(mergedEntries.map((entry) => [entry.name, entry]));
  removeBaseEntries(context, level, merged);
  const present = upperEntries.flatMap(({ name }) => {
    const entry = merged.get(name);
    if (entry === undefined || entry.kind === "other" || isGitDirectoryName(name)) return [];
    const isSubmodule = entry.kind === "directory" && level.base.get(name)?.mode === GITLINK_MODE;
    return isSubmodule || context.excluded.has(level.path + name) ? [] : [entry];
  });
  for (const entry of await selectNotIgnored(context, level, present)) {
    if (entry.kind === "directory") await walkChild(context, level, entry.name);
    else context.result.candidates.push({ path: level.path + entry.name, base: level.base.get(entry.name) });
  }
}

/** Where an overlay's changes are and what they are compared with. */
export interface UpperWalkOptions {
  readonly upperDirectory: string;
  /** The merged view, as a path that this process can read, such as `/proc/PID/root/...`. */
  readonly mergedDirectory: string;
  readonly baseTree: string;
  /** Paths (bytes as latin1) that are left out with all below them. */
  readonly excluded: ReadonlySet<string>;
}

/**
 * Finds what may have changed in an overlay. Only directories that are in the upper directory are looked at, so the cost
 * follows the number of changes. Which names of the base are gone is read off the merged view, not off whiteouts: that
 * is also right for opaque directories, whose mark is an extended attribute that Node cannot read.
 */
export async function walkUpper(
  repository: Repository,
  ignoreChecker: IgnoreChecker,
  options: UpperWalkOptions,
): Promise<UpperWalk> {
  const result: UpperWalk = { candidates: [], removed: [] };
  const upper = await openDirectory(options.upperDirectory);
  const merged = await openDirectory(options.mergedDirectory);
  await using _closingUpper = upper;
  await using _closingMerged = merged;
  if (upper === null || merged === null) {
    const path = upper === null ? options.upperDirectory : options.mergedDirectory;
    throw new CanopyError("workspace.failed", `the workspace cannot be read: ${path}`, { data: { path } });
  }
  const base = await repository.readTree(options.baseTree);
  const { excluded } = options;
  await walkLevel({ repository, ignoreChecker, excluded, result }, { path: "", upper, merged, base });
  return result;
}
