import { execFile } from "node:child_process";
import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { ObjectFormat } from "./git-object.ts";
import { openRepository } from "./repository.ts";
import type { Repository } from "./repository.ts";

const execute = promisify(execFile);

/** A repository in a temporary folder, for tests and benchmarks. Disposing removes it. */
export interface TemporaryRepository extends AsyncDisposable {
  /** The temporary folder; the working tree is `root/work`, and tests may put more beside it. */
  readonly root: string;
  readonly workTree: string;
  readonly repository: Repository;
  /** Runs git in the working tree (or elsewhere) and answers its output without the last newline. */
  git(args: readonly string[], cwd?: string): Promise<string>;
  /** Writes files below the working tree, making folders. */
  write(files: Readonly<Record<string, string | Uint8Array>>): Promise<void>;
  /** Adds everything and commits; answers the commit. */
  commitAll(message: string): Promise<string>;
}

const ENVIRONMENT = {
  PATH: process.env["PATH"] ?? "/usr/bin:/bin",
  HOME: "/nonexistent",
  LANG: "C.UTF-8",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_AUTHOR_NAME: "Ada",
  GIT_AUTHOR_EMAIL: "ada@example.test",
  GIT_COMMITTER_NAME: "Ada",
  GIT_COMMITTER_EMAIL: "ada@example.test",
};

/** Runs git as a user would, without Canopy's safety options, and answers its output without the last newline. */
export async function runUserGit(cwd: string, args: readonly string[]): Promise<string> {
  const output = await execute("git", [...args], { cwd, env: ENVIRONMENT, maxBuffer: 1 << 30 });
  return output.stdout.replace(/\n$/, "");
}

/** Writes files below a folder, making folders as needed. */
export async function writeFiles(
  directory: string,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    const target = join(directory, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, content);
  }
}

/** Makes an empty repository on branch `main` in a new temporary folder. */
export async function createTemporaryRepository(
  objectFormat: ObjectFormat = "sha1",
): Promise<TemporaryRepository> {
  const root = await realpath(await mkdtemp(join(tmpdir(), "canopy-test-")));
  const workTree = join(root, "work");
  await mkdir(workTree);
  await runUserGit(workTree, ["init", "-q", "-b", "main", `--object-format=${objectFormat}`]);
  await runUserGit(workTree, ["config", "gc.auto", "0"]);
  const repository = openRepository({ commonDir: join(workTree, ".git"), objectFormat });
  const git = (args: readonly string[], cwd = workTree): Promise<string> => runUserGit(cwd, args);
  return {
    root,
    workTree,
    repository,
    git,
    write: (files) => writeFiles(workTree, files),
    async commitAll(message: string): Promise<string> {
      await git(["add", "-A"]);
      await git(["commit", "-q", "--allow-empty", "-m", message]);
      return await git(["rev-parse", "HEAD"]);
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await repository[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
}
