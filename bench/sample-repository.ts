import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** A repository of generated files in a temporary folder. Disposing removes it. */
export interface SampleRepository extends AsyncDisposable {
  readonly root: string;
  readonly workTree: string;
  readonly commit: string;
  git(args: readonly string[], cwd?: string): Promise<string>;
}

const ENVIRONMENT = {
  PATH: process.env["PATH"] ?? "",
  HOME: "/nonexistent",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_AUTHOR_NAME: "Bench",
  GIT_AUTHOR_EMAIL: "bench@example.test",
  GIT_COMMITTER_NAME: "Bench",
  GIT_COMMITTER_EMAIL: "bench@example.test",
};

/** The path of one of the generated files: three levels of folders, 20 files in each. */
export function samplePath(index: number): string {
  const folder = Math.floor(index / 20);
  return `pkg${Math.floor(folder / 50)}/mod${folder % 50}/src/file${index % 20}.ts`;
}

function sampleContent(index: number): string {
  const lines = Array.from(
    { length: 30 },
    (_value, line) => `export const value${line} = ${index * 31 + line};`,
  );
  return `${lines.join("\n")}\n`;
}

async function importFiles(workTree: string, fileCount: number): Promise<void> {
  const child = spawn("git", ["fast-import", "--quiet"], {
    cwd: workTree,
    env: ENVIRONMENT,
    stdio: ["pipe", "ignore", "inherit"],
  });
  const write = async (text: string): Promise<void> => {
    if (!child.stdin.write(text)) await once(child.stdin, "drain");
  };
  await write(
    "commit refs/heads/main\ncommitter Bench <bench@example.test> 1700000000 +0000\ndata 4\nbase\n",
  );
  for (let index = 0; index < fileCount; index += 1) {
    const content = sampleContent(index);
    await write(`M 100644 inline ${samplePath(index)}\ndata ${content.length}\n${content}\n`);
  }
  child.stdin.end();
  await once(child, "close");
}

/** Makes a repository with so many files on `main`, checked out. */
export async function createSampleRepository(fileCount: number): Promise<SampleRepository> {
  const root = await realpath(await mkdtemp(join(tmpdir(), "canopy-bench-")));
  const workTree = join(root, "work");
  await mkdir(workTree);
  const git = async (args: readonly string[], cwd = workTree): Promise<string> => {
    const output = await execute("git", [...args], { cwd, env: ENVIRONMENT, maxBuffer: 1 << 30 });
    return output.stdout.trim();
  };
  await git(["init", "-q", "-b", "main"]);
  await git(["config", "gc.auto", "0"]);
  await importFiles(workTree, fileCount);
  await git(["reset", "-q", "--hard"]);
  return {
    root,
    workTree,
    commit: await git(["rev-parse", "HEAD"]),
    git,
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}
