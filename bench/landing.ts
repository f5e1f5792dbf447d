import { join } from "node:path";
import {
  openMergeEngine,
  openRepository,
  readRepositoryIdentity,
  updateRefs,
  writeCommit,
} from "@canopy/git";
import type { Repository } from "@canopy/git";
import { median, roundMs, timeMs } from "./bench-result.ts";
import type { BenchResult } from "./bench-result.ts";
import { createSampleRepository, samplePath } from "./sample-repository.ts";
import type { SampleRepository } from "./sample-repository.ts";

const FILE_COUNT = 20_000;
const CHANGE_COUNT = 300;
const LOOP_COUNT = 15;
const REF = "refs/heads/canopy/main";
const BENCH = { name: "Bench", email: "bench@example.test", atMs: 1_700_000_000_000 };

/** Commits of one changed file each, all on the same base, made without a working tree. */
async function makeChanges(sample: SampleRepository, repository: Repository): Promise<string[]> {
  const changes: string[] = [];
  const index = join(sample.root, "index");
  for (let number = 0; number < CHANGE_COUNT; number += 1) {
    const path = samplePath((number * 61) % FILE_COUNT);
    const before = (await repository.readObject(`${sample.commit}:${path}`))?.content.toString("utf8") ?? "";
    const lines = before.split("\n");
    lines[number % 30] += ` // ${number}`;
    const blob = await repository.writeObject("blob", Buffer.from(lines.join("\n")));
    const git = (...args: string[]): Promise<unknown> => repository.git(args, { indexFile: index });
    if (number === 0) await git("read-tree", sample.commit);
    await git("update-index", "--cacheinfo", `100644,${blob},${path}`);
    const tree = (await repository.git(["write-tree"], { indexFile: index })).stdout.toString("utf8").trim();
    await git("read-tree", sample.commit);
    changes.push(
      await writeCommit(repository, {
        tree,
        parents: [sample.commit],
        author: BENCH,
        committer: BENCH,
        message: `c${number}`,
      }),
    );
  }
  return changes;
}

/** Lands changes one after the other, each with its own compare-and-swap, and answers how long each took. */
async function landEach(repository: Repository, base: string, changes: readonly string[]): Promise<number[]> {
  const engine = openMergeEngine(repository);
  let tip: string = base;
  await updateRefs(repository, [{ ref: REF, newCommit: tip }]);
  const times: number[] = [];
  for (const change of changes) {
    times.push(
      await timeMs(async () => {
        const stack = await engine.buildStack(tip, [
          { change, author: BENCH, committer: BENCH, message: "land" },
        ]);
        await updateRefs(repository, [{ ref: REF, newCommit: stack.tip, oldCommit: tip }]);
        tip = stack.tip;
      }),
    );
  }
  return times;
}

async function landInBatches(
  repository: Repository,
  base: string,
  changes: readonly string[],
): Promise<number> {
  const engine = openMergeEngine(repository);
  await updateRefs(repository, [{ ref: REF, newCommit: base }]);
  return await timeMs(async () => {
    let tip: string = base;
    for (let at = 0; at < changes.length; at += 10) {
      const batch = changes
        .slice(at, at + 10)
        .map((change) => ({ change, author: BENCH, committer: BENCH, message: "land" }));
      const stack = await engine.buildStack(tip, batch);
      await updateRefs(repository, [{ ref: REF, newCommit: stack.tip, oldCommit: tip }]);
      tip = stack.tip;
    }
  });
}

/** What others do: check the target out in a worktree and merge there. */
async function landByCheckout(sample: SampleRepository, changes: readonly string[]): Promise<number[]> {
  const worktree = join(sample.root, "merge-here");
  await sample.git(["worktree", "add", "-q", "-b", "loop", worktree, sample.commit]);
  const times: number[] = [];
  for (const change of changes.slice(0, LOOP_COUNT)) {
    times.push(
      await timeMs(async () => {
        await sample.git(["checkout", "-q", "loop"], worktree);
        await sample.git(["merge", "-q", "--no-edit", "--no-ff", change], worktree);
      }),
    );
  }
  return times;
}

function perSecond(totalMs: number, count: number): number {
  return Math.round((count * 1000) / totalMs);
}

function rowOf(name: string, times: readonly number[]): (string | number)[] {
  const total = times.reduce((sum, value) => sum + value, 0);
  const worst = times.reduce((most, value) => Math.max(most, value), 0);
  return [name, times.length, roundMs(median(times)), roundMs(worst), perSecond(total, times.length)];
}

/** Landings a second of disjoint one-file changes in a repository of 20,000 files, against a checkout-and-merge loop. */
export async function run(): Promise<BenchResult> {
  await using sample = await createSampleRepository(FILE_COUNT);
  await using repository = openRepository(await readRepositoryIdentity(sample.workTree));
  const changes = await makeChanges(sample, repository);
  const one = await landEach(repository, sample.commit, changes);
  const batched = await landInBatches(repository, sample.commit, changes);
  // Changes of one file that do not touch each other go through git merge-tree.
  const slow = await landContested(repository, sample.commit, 60);
  const loop = await landByCheckout(sample, changes);
  return {
    name: "landing",
    columns: ["way", "landings", "median ms", "worst ms", "landings/s"],
    rows: [
      rowOf("canopy, one at a time (merge, commit, compare-and-swap)", one),
      ["canopy, batches of ten", changes.length, "", "", perSecond(batched, changes.length)],
      rowOf("canopy, same file (git merge-tree)", slow),
      rowOf("checkout and git merge in a worktree", loop),
    ],
    notes: [
      `${FILE_COUNT} files; every change edits one file and starts at the same base.`,
      "One at a time, the start of `git update-ref` is most of the time; merging and writing happen in this process.",
    ],
  };
}

/** Lands changes of one and the same large file, each in lines of its own. */
async function landContested(repository: Repository, base: string, count: number): Promise<number[]> {
  const lines = Array.from({ length: count * 8 }, (_value, line) => `line ${line}`);
  const commitOf = async (text: readonly string[], parent: string): Promise<string> => {
    const blob = await repository.writeObject("blob", Buffer.from(`${text.join("\n")}\n`));
    const entry = Buffer.concat([Buffer.from("100644 big.txt\0"), Buffer.from(blob, "hex")]);
    const tree = await repository.writeObject("tree", entry);
    return await writeCommit(repository, {
      tree,
      parents: [parent],
      author: BENCH,
      committer: BENCH,
      message: "c",
    });
  };
  const start = await commitOf(lines, base);
  const changes: string[] = [];
  for (let number = 0; number < count; number += 1) {
    changes.push(await commitOf(lines.with(number * 8, `changed ${number}`), start));
  }
  return await landEach(repository, start, changes);
}
