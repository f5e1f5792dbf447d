import { createHash } from "node:crypto";
import { access, constants, lstat, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { CanopyError, brandId } from "@canopy/protocol";
import type { ProjectId } from "@canopy/protocol";
import type { ObjectFormat } from "./git-object.ts";
import { isObjectId } from "./git-object.ts";
import { runGit } from "./run-git.ts";

/** What a folder of a repository belongs to. All paths are absolute and real (no symbolic links). */
export interface RepositoryIdentity {
  /** One for all worktrees of a repository; a submodule has its own. */
  readonly projectId: ProjectId;
  /** The folder with the object database and the refs. */
  readonly commonDir: string;
  readonly worktreeRoot: string;
  /** The folder with this worktree's HEAD and index. */
  readonly gitDir: string;
  /** The checked-out branch without `refs/heads/`, null when HEAD is detached. */
  readonly headBranch: string | null;
  readonly headCommit: string;
  readonly objectFormat: ObjectFormat;
}

const BASE32 = "0123456789abcdefghjkmnpqrstvwxyz";
const PROJECT_HASH_CHARS = 13;

/** The id of the project whose common git directory has this real path. Same path, same id, on every run. */
export function projectIdOf(realCommonDir: string): ProjectId {
  const digest = createHash("sha256").update(realCommonDir).digest();
  let text = "";
  for (const byte of digest.subarray(0, PROJECT_HASH_CHARS)) text += BASE32[byte % 32] ?? "0";
  return brandId("project", `prj_${text}`);
}

async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}

/** True when this folder or one above it looks like a repository, so that a refusal by git is not "not found". */
async function hasRepositoryAbove(start: string): Promise<boolean> {
  for (let at = start; ; at = dirname(at)) {
    if (await exists(join(at, ".git"))) return true;
    if ((await exists(join(at, "HEAD"))) && (await exists(join(at, "objects")))) return true;
    if (dirname(at) === at) return false;
  }
}

function notFound(path: string): CanopyError {
  return new CanopyError("repository.not-found", `${path} is not inside a git repository`, {
    hint: "Go to a folder of a git repository, or make one with `git init` and a first commit.",
    data: { path },
  });
}

async function startFolder(path: string): Promise<string> {
  const absolute = resolve(path);
  const info = await stat(absolute).catch(() => null);
  if (info === null) {
    throw new CanopyError("repository.not-found", `${absolute} does not exist`, {
      hint: "Name a folder of a git repository.",
      data: { path: absolute },
    });
  }
  return await realpath(info.isDirectory() ? absolute : dirname(absolute));
}

interface Place {
  readonly isBare: boolean;
  readonly isInsideGitDir: boolean;
  readonly gitDir: string;
  readonly commonDir: string;
  readonly objectFormat: ObjectFormat;
}

function parseObjectFormat(text: string | undefined): ObjectFormat {
  return text === "sha256" ? "sha256" : "sha1";
}

async function locate(folder: string, signal: AbortSignal | undefined): Promise<Place> {
  const questions = [
    "rev-parse",
    "--is-bare-repository",
    "--is-inside-git-dir",
    "--show-object-format=storage",
    "--absolute-git-dir",
    "--git-common-dir",
  ];
  try {
    // The person's configuration, because `safe.directory` is theirs to set.
    const output = await runGit({ args: questions, cwd: folder, configuration: "person", signal });
    const [bare, inside, format, gitDir = "", commonDir = ""] = output.stdout.toString("utf8").split("\n");
    return {
      isBare: bare === "true",
      isInsideGitDir: inside === "true",
      gitDir: await realpath(gitDir),
      commonDir: await realpath(resolve(folder, commonDir)),
      objectFormat: parseObjectFormat(format),
    };
  } catch (error) {
    const isRefusal = error instanceof CanopyError && error.code === "git.failed";
    if (!isRefusal || (await hasRepositoryAbove(folder))) throw error;
    throw notFound(folder);
  }
}

async function readHead(
  gitDir: string,
  signal?: AbortSignal,
): Promise<{ branch: string | null; commit: string | null }> {
  const [symbolic, commit] = await Promise.all([
    runGit({ args: ["symbolic-ref", "-q", "HEAD"], cwd: gitDir, gitDir, acceptExitCodes: [0, 1], signal }),
    runGit({
      args: ["rev-parse", "-q", "--verify", "HEAD^{commit}"],
      cwd: gitDir,
      gitDir,
      acceptExitCodes: [0, 1, 128],
      signal,
    }),
  ]);
  const name = symbolic.stdout.toString("utf8").trim();
  const id = commit.stdout.toString("utf8").trim();
  return {
    branch: name.startsWith("refs/heads/") ? name.slice("refs/heads/".length) : null,
    commit: isObjectId(id) ? id : null,
  };
}

function bareError(place: Place): CanopyError {
  return new CanopyError("repository.bare", `${place.gitDir} is a bare repository, without a working tree`, {
    hint: "Clone it, or add a worktree with `git worktree add`, and work there.",
    data: { gitDir: place.gitDir },
  });
}

/**
 * Finds out which repository a folder (or file) belongs to, from any subfolder, linked worktree or submodule. Throws
 * `repository.not-found`, `repository.bare`, `repository.empty` (no commit yet), `git.missing` or `git.failed`. A
 * detached HEAD is answered with `headBranch: null`; see `requireBranch`.
 */
export async function readRepositoryIdentity(
  path: string,
  signal?: AbortSignal,
): Promise<RepositoryIdentity> {
  const folder = await startFolder(path);
  const place = await locate(folder, signal);
  if (!place.isBare && place.isInsideGitDir && basename(place.commonDir) === ".git") {
    return await readRepositoryIdentity(dirname(place.commonDir), signal);
  }
  if (place.isBare || place.isInsideGitDir) throw bareError(place);
  const top = await runGit({
    args: ["rev-parse", "--show-toplevel"],
    cwd: folder,
    configuration: "person",
    signal,
  });
  const worktreeRoot = await realpath(top.stdout.toString("utf8").replace(/\n$/, ""));
  const head = await readHead(place.gitDir, signal);
  if (head.commit === null) {
    throw new CanopyError("repository.empty", `the repository at ${worktreeRoot} has no commit yet`, {
      hint: "Make a first commit: `git add -A && git commit -m 'Start'`.",
      data: { worktreeRoot, branch: head.branch },
    });
  }
  const { commonDir, gitDir, objectFormat } = place;
  return {
    projectId: projectIdOf(commonDir),
    commonDir,
    worktreeRoot,
    gitDir,
    headBranch: head.branch,
    headCommit: head.commit,
    objectFormat,
  };
}

/** The checked-out branch. Throws `repository.detached-head` when there is none. */
export function requireBranch(identity: RepositoryIdentity): string {
  if (identity.headBranch !== null) return identity.headBranch;
  throw new CanopyError(
    "repository.detached-head",
    `HEAD is detached at ${identity.headCommit.slice(0, 12)} in ${identity.worktreeRoot}`,
    { hint: "Check out a branch first: `git switch BRANCH`.", data: { worktreeRoot: identity.worktreeRoot } },
  );
}

/** Checks that objects and refs can be written. Throws `repository.read-only`, naming the folder that cannot be. */
export async function requireWritable(identity: RepositoryIdentity): Promise<void> {
  for (const path of [
    identity.commonDir,
    join(identity.commonDir, "objects"),
    join(identity.commonDir, "refs"),
  ]) {
    try {
      // Answers EROFS on a read-only mount for root too, whom permissions do not stop.
      await access(path, constants.W_OK | constants.X_OK);
    } catch (error) {
      throw new CanopyError("repository.read-only", `the repository cannot be written: ${path}`, {
        hint: "Give yourself write permission to it, or work in a copy.",
        data: { path },
        cause: error,
      });
    }
  }
}
