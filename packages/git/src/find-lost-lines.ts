import { CanopyError } from "@canopy/protocol";
import { findTouchedByBoth } from "./both-touched.ts";
import type { TouchedPath, TouchedTrees } from "./both-touched.ts";
import { judgeContest } from "./contested-hunks.ts";
import type { Contest } from "./contested-hunks.ts";
import { countLines } from "./count-lines.ts";
import { diffTrees, isSameEntry, readEntry } from "./diff-trees.ts";
import { bytePathOf, displayPath } from "./git-object.ts";
import type { TreeEntry } from "./git-object.ts";
import { mergeByGit, writeTriangle } from "./merge-by-git.ts";
import { readTextLines } from "./read-text-blob.ts";
import type { Repository } from "./repository.ts";
import { splitNul } from "./run-git.ts";
import { createScratchObjects } from "./scratch-objects.ts";

/** What to compare; each a commit or a tree. `base` is what the change was made on. */
export interface LostLinesRequest {
  readonly base: string;
  readonly tip: string;
  readonly change: string;
  readonly candidate: string;
  readonly signal?: AbortSignal;
}

/** What others did to a file since a change's base, and is gone from a candidate. */
export interface LostLines {
  readonly path: string;
  /** At most 20 lines of 200 characters; none when the whole entry counts. */
  readonly lines: readonly string[];
  /** How many lines are gone in all. */
  readonly count: number;
  /** True for a binary, oversized or deleted file, a link or a mode: the entry as a whole is not what others made it. */
  readonly isWholeEntry: boolean;
  /** True when the change's own diff touches the same place, so that whoever merged had to decide. */
  readonly isContested: boolean;
  /** True when the candidate has there what the change has, so that all of what others did there is gone. */
  readonly isVerbatimTheirs: boolean;
}

const MAX_LINES = 20;
const MAX_LINE_LENGTH = 200;

/** What a candidate adds to files: lines and whole objects that may have moved there from elsewhere. */
interface Additions {
  readonly lines: Map<string, number>;
  readonly objects: ReadonlySet<string>;
}

interface Check {
  readonly repository: Repository;
  readonly trees: TouchedTrees & { readonly change: string };
  readonly additions: () => Promise<Additions>;
}

async function treeOf(repository: Repository, name: string): Promise<string> {
  const object = await repository.readObject(name);
  if (object?.kind === "tree") return object.objectId;
  if (object?.kind === "commit") return (await repository.readCommit(object.objectId)).tree;
  throw new CanopyError("git.failed", `${name} is no commit and no tree`, { data: { name } });
}

async function readAdditions(repository: Repository, trees: TouchedTrees): Promise<Additions> {
  const lines = new Map<string, number>();
  const objects = new Set<string>();
  for (const { before, after } of await diffTrees(repository, trees.tip, trees.candidate)) {
    if (after === undefined) continue;
    objects.add(after.objectId);
    const old = countLines((await readTextLines(repository, before)) ?? []);
    for (const [line, count] of countLines((await readTextLines(repository, after)) ?? [])) {
      const more = count - (old.get(line) ?? 0);
      if (more > 0) lines.set(line, (lines.get(line) ?? 0) + more);
    }
  }
  return { lines, objects };
}

interface Versions {
  readonly base: readonly string[];
  readonly tip: readonly string[];
  readonly change: readonly string[];
  readonly candidate: readonly string[];
}

/** The lines that others added and that are missing, by how many. Lines that moved elsewhere are used up. */
async function findMissing(check: Check, versions: Versions): Promise<Map<string, number>> {
  const base = countLines(versions.base);
  const change = countLines(versions.change);
  const candidate = countLines(versions.candidate);
  const missing = new Map<string, number>();
  for (const [line, count] of countLines(versions.tip)) {
    const before = base.get(line) ?? 0;
    if (count <= before) continue;
    const removedOnPurpose = Math.max(0, before - (change.get(line) ?? 0));
    const short = count - removedOnPurpose - (candidate.get(line) ?? 0);
    if (short > 0) missing.set(line, short);
  }
  if (missing.size === 0) return missing;
  const { lines: moved } = await check.additions();
  for (const [line, short] of missing) {
    const found = Math.min(short, moved.get(line) ?? 0);
    if (found === 0) continue;
    moved.set(line, (moved.get(line) ?? 0) - found);
    if (found === short) missing.delete(line);
    else missing.set(line, short - found);
  }
  return missing;
}

function wholeEntry(touched: TouchedPath, change: TreeEntry | undefined): LostLines {
  return {
    path: displayPath(touched.path),
    lines: [],
    count: 0,
    isWholeEntry: true,
    isContested: !isSameEntry(touched.base, change),
    isVerbatimTheirs: isSameEntry(touched.candidate, change),
  };
}

async function readVersions(
  repository: Repository,
  { base, tip, candidate }: TouchedPath,
  change: TreeEntry | undefined,
): Promise<Versions | null> {
  if (tip === undefined) return null;
  const [baseLines, tipLines, candidateLines, changeLines] = await Promise.all([
    readTextLines(repository, base),
    readTextLines(repository, tip),
    readTextLines(repository, candidate),
    readTextLines(repository, change),
  ]);
  if (baseLines === null || tipLines === null || candidateLines === null) return null;
  return { base: baseLines, tip: tipLines, candidate: candidateLines, change: changeLines ?? [] };
}

function isModeLost({ base, tip, candidate }: TouchedPath): boolean {
  if (base === undefined || tip === undefined || candidate === undefined) return false;
  return tip.mode !== base.mode && candidate.mode !== tip.mode;
}

function judge(versions: Versions, missing: ReadonlyMap<string, number>, touched: TouchedPath): Contest {
  const contest = judgeContest(versions, new Set(missing.keys()));
  // Others' new file and the change's new file of the same name are one place.
  return touched.base === undefined ? { ...contest, isContested: versions.change.length > 0 } : contest;
}

async function checkPath(check: Check, touched: TouchedPath): Promise<LostLines | null> {
  const { repository, trees } = check;
  const change = await readEntry(repository, trees.change, touched.path);
  const versions = await readVersions(repository, touched, change);
  if (versions === null) {
    const isMoved =
      touched.tip !== undefined &&
      touched.candidate === undefined &&
      (await check.additions()).objects.has(touched.tip.objectId);
    return isMoved ? null : wholeEntry(touched, change);
  }
  const missing = await findMissing(check, versions);
  if (missing.size === 0) {
    const isNewFileGone = touched.base === undefined && touched.candidate === undefined;
    const hasLines = countLines(versions.tip).size > 0;
    return isModeLost(touched) || (isNewFileGone && !hasLines) ? wholeEntry(touched, change) : null;
  }
  const contest = judge(versions, missing, touched);
  return {
    path: displayPath(touched.path),
    lines: [...missing.keys()].slice(0, MAX_LINES).map((line) => line.slice(0, MAX_LINE_LENGTH)),
    count: [...missing.values()].reduce((sum, value) => sum + value, 0),
    isWholeEntry: false,
    isContested: contest.isContested,
    isVerbatimTheirs: contest.isVerbatimTheirs || isSameEntry(touched.candidate, change),
  };
}

/** Takes out what a plain three-way merge of base, tip and change would have given too. */
async function withoutExplained(
  { repository, trees }: Check,
  lost: readonly LostLines[],
  signal: AbortSignal | undefined,
): Promise<LostLines[]> {
  if (lost.length === 0) return [];
  await using scratch = await createScratchObjects(repository);
  const { objectDirectory } = scratch;
  const triangle = await writeTriangle(scratch, { base: trees.base, ours: trees.tip, theirs: trees.change });
  const directories = new Set(lost.map(({ path }) => bytePathOf(path.slice(0, path.lastIndexOf("/") + 1))));
  const { result } = await mergeByGit(repository, {
    ...triangle,
    tipTree: trees.tip,
    directories: [...directories],
    objectDirectory,
    signal,
  });
  const listing = await repository.git(["ls-tree", "-r", "-z", result.tree], { objectDirectory, signal });
  const merged = new Map(
    splitNul(listing.stdout, "latin1").map((line) => {
      const tab = line.indexOf("\t");
      const [mode = "", , objectId = ""] = line.slice(0, tab).split(" ");
      return [line.slice(tab + 1), `${mode} ${objectId}`];
    }),
  );
  const conflicted = new Set(result.state === "clean" ? [] : result.files.map((file) => file.path));
  const kept: LostLines[] = [];
  for (const item of lost) {
    const path = bytePathOf(item.path);
    const entry = await readEntry(repository, trees.candidate, path);
    const own = entry === undefined ? undefined : `${entry.mode} ${entry.objectId}`;
    const isExplained = !conflicted.has(item.path) && merged.get(path) === own;
    if (!isExplained) kept.push(item);
  }
  return kept;
}

/**
 * The check against silent reverts: what others did since a change's base must still stand in the candidate, unless the
 * change's own diff took it away. Lines are compared as a multiset for each file, whatever their white space; a line
 * stands as well when it moved to another file that the candidate changes. Sorted by path; empty when nothing is lost.
 * The cost follows the files that both sides touched.
 */
export async function findLostLines(repository: Repository, request: LostLinesRequest): Promise<LostLines[]> {
  const [base, tip, change, candidate] = await Promise.all([
    treeOf(repository, request.base),
    treeOf(repository, request.tip),
    treeOf(repository, request.change),
    treeOf(repository, request.candidate),
  ]);
  const trees = { base, tip, change, candidate };
  let additions: Promise<Additions> | null = null;
  const check: Check = {
    repository,
    trees,
    additions: () => (additions ??= readAdditions(repository, trees)),
  };
  const lost: LostLines[] = [];
  for (const touched of await findTouchedByBoth(repository, trees)) {
    const found = await checkPath(check, touched);
    if (found !== null) lost.push(found);
  }
  const unexplained = await withoutExplained(check, lost, request.signal);
  return unexplained.sort((left, right) => (left.path < right.path ? -1 : 1));
}
