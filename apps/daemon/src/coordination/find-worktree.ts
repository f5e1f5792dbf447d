import { readFileSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

/** A work tree of a repository, as the file system says it; no git is started. All paths are absolute and real. */
export interface Worktree {
  readonly root: string;
  /** With this work tree's HEAD and index. */
  readonly gitDir: string;
  /** One for all work trees of a repository. */
  readonly commonDir: string;
  /** True where `A` and `a` are one file. */
  readonly foldsCase: boolean;
}

/** The real path of what is there, with the rest, which is not there yet, as it is. */
export function realPrefix(path: string): string {
  const absolute = resolve(path);
  for (let at = absolute; ; at = dirname(at)) {
    try {
      const real = realpathSync.native(at);
      return at === absolute ? real : join(real, absolute.slice(at === "/" ? 1 : at.length + 1));
    } catch {
      if (dirname(at) === at) return absolute;
    }
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return null;
  }
}

function readGitDir(root: string): string | null {
  const dotGit = join(root, ".git");
  try {
    if (statSync(dotGit).isDirectory()) return dotGit;
  } catch {
    return null;
  }
  const link = /^gitdir: (.+)$/m.exec(readText(dotGit) ?? "")?.[1];
  return link === undefined ? null : realPrefix(resolve(root, link));
}

function foldsCase(root: string): boolean {
  try {
    return statSync(join(root, ".GIT")).ino === statSync(join(root, ".git")).ino;
  } catch {
    return false;
  }
}

/** A submodule's git directory lies in that of the repository around it. */
function isSubmodule(gitDir: string): boolean {
  return /\/\.git\/(?:.*\/)?modules\//.test(`${gitDir}/`);
}

/**
 * The work tree that a path lies in, or null outside of git. Files of a submodule belong to the repository around it,
 * so that who works in either sees the other.
 */
export function findWorktree(path: string): Worktree | null {
  let found: Worktree | null = null;
  for (let at = realPrefix(path); ; at = dirname(at)) {
    const gitDir = basename(at) === ".git" ? null : readGitDir(at);
    if (gitDir !== null) {
      const common = readText(join(gitDir, "commondir"));
      const commonDir = common === null ? gitDir : realPrefix(resolve(gitDir, common));
      found = { root: at, gitDir, commonDir, foldsCase: foldsCase(at) };
      if (!isSubmodule(gitDir)) return found;
    }
    if (dirname(at) === at) return found;
  }
}

/** The branch that is checked out in a work tree, null when HEAD is detached. */
export function readBranch({ gitDir }: Worktree): string | null {
  return /^ref: refs\/heads\/(.+)$/m.exec(readText(join(gitDir, "HEAD")) ?? "")?.[1] ?? null;
}
