import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { listRuleChanges } from "./list-rule-changes.ts";

const run = promisify(execFile);

test("what tells programs what to run is named, wherever it lies, and nothing else", async () => {
  const cwd = await mkdtemp(join(tmpdir(), "canopy-rules-"));
  const git = async (...args: string[]): Promise<string> => {
    const identity = ["-c", "user.name=a", "-c", "user.email=a@b.invalid"];
    return (await run("git", [...identity, ...args], { cwd })).stdout.trim();
  };
  try {
    await git("init", "-q");
    await git("commit", "-q", "--allow-empty", "-m", "one");
    const fromCommit = await git("rev-parse", "HEAD");
    for (const path of [
      ".canopy/config.toml",
      "packages/a/.claude/settings.json",
      ".envrc",
      "src/envrc.ts",
      "docs/canopy.md",
      ".husky/pre-commit",
    ]) {
      await mkdir(dirname(join(cwd, path)), { recursive: true });
      await writeFile(join(cwd, path), "x");
    }
    await git("add", "-A");
    await git("commit", "-q", "-m", "two");
    const toCommit = await git("rev-parse", "HEAD");
    expect(await listRuleChanges({ fromCommit, toCommit }, cwd)).toEqual([
      ".canopy/config.toml",
      ".envrc",
      ".husky/pre-commit",
      "packages/a/.claude/settings.json",
    ]);
    expect(await listRuleChanges({ fromCommit, toCommit: fromCommit }, cwd)).toEqual([]);
    expect(await listRuleChanges({ fromCommit: null, toCommit }, cwd)).toEqual([]);
  } finally {
    await rm(cwd, { recursive: true });
  }
});
