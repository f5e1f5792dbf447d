import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);

const ENVIRONMENT = {
  PATH: process.env["PATH"] ?? "/usr/bin:/bin",
  HOME: "/nonexistent",
  LANG: "C.UTF-8",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
};

/** Runs git as the user of the test would, and answers its output without the last line end. */
export async function userGit(cwd: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await execute("git", [...args], { cwd, env: ENVIRONMENT, maxBuffer: 1 << 30 });
  return stdout.replace(/\n$/, "");
}

/** Writes files below a folder, making folders. */
export async function writeFiles(
  folder: string,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
}

async function createEmptyRepository(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await userGit(folder, "init", "-q", "-b", "main");
  for (const [key, value] of [
    ["user.name", "Ada Lovelace"],
    ["user.email", "ada@example.test"],
    ["commit.gpgsign", "false"],
    ["gc.auto", "0"],
  ] as const) {
    await userGit(folder, "config", key, value);
  }
}

/** Makes a repository of Ada's with one commit on `main`. */
export async function createTestRepository(
  folder: string,
  files: Readonly<Record<string, string>> = { "README.md": "# Work\n", ".gitignore": "build/\n*.log\n" },
): Promise<void> {
  await createEmptyRepository(folder);
  await writeFiles(folder, files);
  await userGit(folder, "add", "-A");
  await userGit(folder, "commit", "-q", "-m", "Start");
}

/** The content of a file of the large repository. */
export function largeFileContent(directory: number, file: number): string {
  return `file ${file} of package ${directory}\n${"line\n".repeat(5)}`;
}

/** The path of a file of the large repository. */
export function largeFilePath(directory: number, file: number): string {
  return `packages/p${String(directory).padStart(3, "0")}/f${String(file).padStart(3, "0")}.txt`;
}

/** Makes a repository with `directories` times `files` files (and a `.gitignore`) in one commit, and checks it out. */
export async function createLargeRepository(
  folder: string,
  directories: number,
  files: number,
): Promise<void> {
  await createEmptyRepository(folder);
  const importer = spawn("git", ["fast-import", "--quiet"], {
    cwd: folder,
    env: ENVIRONMENT,
    stdio: ["pipe", "inherit", "inherit"],
  });
  const exited = once(importer, "exit");
  const data = (text: string): string => `data ${Buffer.byteLength(text)}\n${text}\n`;
  importer.stdin.write(
    `commit refs/heads/main\ncommitter Ada Lovelace <ada@example.test> 1700000000 +0000\n`,
  );
  importer.stdin.write(data("Start"));
  importer.stdin.write(`M 100644 inline .gitignore\n${data("build/\n*.log\n")}`);
  for (let directory = 0; directory < directories; directory += 1) {
    let text = "";
    for (let file = 0; file < files; file += 1) {
      text += `M 100644 inline ${largeFilePath(directory, file)}\n${data(largeFileContent(directory, file))}`;
    }
    importer.stdin.write(text);
  }
  importer.stdin.end();
  const [code] = await exited;
  if (code !== 0) throw new Error(`git fast-import ended with ${String(code)}`);
  await userGit(folder, "reset", "-q", "--hard", "main");
}
