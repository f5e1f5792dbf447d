import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { replayMerges } from "./replay-merges.ts";
import { run } from "./replay.ts";

const execute = promisify(execFile);
const TEXT = Array.from({ length: 20 }, (_value, index) => `line ${index}\n`).join("");

async function withHistory(
  use: (folder: string, git: (...args: string[]) => Promise<string>) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "canopy-history-"));
  const identity = ["-c", "user.name=T", "-c", "user.email=t@example.test"];
  const git = async (...args: string[]): Promise<string> =>
    (await execute("git", [...identity, ...args], { cwd: folder })).stdout.trim();
  try {
    await use(folder, git);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test("known merges are replayed: disjoint, same file, mended by hand, and in conflict", async () => {
  await withHistory(async (folder, git) => {
    await git("init", "-q", "-b", "main");
    const commit = async (file: string, text: string): Promise<void> => {
      await writeFile(join(folder, file), text);
      await git("add", "-A");
      await git("commit", "-qm", file);
    };
    await commit("shared", TEXT);
    const merge = async (
      change: () => Promise<void>,
      main: () => Promise<void>,
      mend?: () => Promise<void>,
    ): Promise<string> => {
      await git("checkout", "-q", "-B", "side", "main");
      await change();
      await git("checkout", "-q", "main");
      await main();
      await git("merge", "-q", "--no-commit", "--no-ff", "side").catch(() => "");
      await mend?.();
      await git("add", "-A");
      await git("commit", "-qm", "merge");
      return await git("rev-parse", "HEAD");
    };
    const disjoint = await merge(
      () => commit("a", "1\n"),
      () => commit("b", "1\n"),
    );
    const shared = await merge(
      () => commit("shared", TEXT.replace("line 1\n", "one\n")),
      () => commit("shared", TEXT.replace("line 15\n", "fifteen\n")),
    );
    const mended = await merge(
      () => commit("c", "1\n"),
      () => commit("d", "1\n"),
      () => writeFile(join(folder, "evil"), "by hand\n"),
    );
    const conflicted = await merge(
      () => commit("a", "side\n"),
      () => commit("a", "main\n"),
      () => writeFile(join(folder, "a"), "both\n"),
    );
    const objects = await readdir(join(folder, ".git", "objects"), { recursive: true });
    const replay = await replayMerges(folder, 10);
    expect(
      replay.merges.map((item) => [
        item.commit,
        item.engineTree !== null,
        item.engineTree === item.gitTree,
        item.engineTree === item.humanTree,
      ]),
    ).toEqual([
      [conflicted, false, true, false],
      [mended, true, true, false],
      [shared, true, true, true],
      [disjoint, true, true, true],
    ]);
    expect(replay.differences).toEqual([]);
    expect(await readdir(join(folder, ".git", "objects"), { recursive: true })).toEqual(objects);
    const result = await run(["--repo", folder, "--last", "3"]);
    expect(result.rows[0]?.slice(1, 4)).toEqual(["2/3 (66.7 %)", "1/2 (50.0 %)", "2/2 (100.0 %)"]);
  });
});

test("a replay without a repository says what it needs", async () => {
  await expect(run([])).rejects.toThrow("--repo PATH");
});
