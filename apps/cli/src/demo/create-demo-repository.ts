import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { DEMO_HISTORY } from "./demo-project.ts";

const execute = promisify(execFile);

/** Runs git in the demo's repository and returns what it printed. */
export async function demoGit(repository: string, ...args: string[]): Promise<string> {
  const identity = [
    "-c",
    "user.name=Demo",
    "-c",
    "user.email=demo@canopy.invalid",
    "-c",
    "commit.gpgsign=false",
  ];
  const { stdout } = await execute("git", [...identity, ...args], { cwd: repository });
  return stdout;
}

/** Makes a small but real repository with sources, tests and history. */
export async function createDemoRepository(repository: string): Promise<void> {
  await mkdir(repository, { recursive: true });
  await demoGit(repository, "init", "--quiet", "--initial-branch=main");
  await demoGit(repository, "config", "user.name", "Demo");
  await demoGit(repository, "config", "user.email", "demo@canopy.invalid");
  for (const { message, files } of DEMO_HISTORY) {
    for (const file of files) {
      const path = join(repository, file.path);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, file.content);
    }
    await demoGit(repository, "add", "--all");
    await demoGit(repository, "commit", "--quiet", "--message", message);
  }
}
