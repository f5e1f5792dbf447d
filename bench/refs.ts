import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import {
  ATTEMPT_REF_PREFIX,
  FAILED_REF_PREFIX,
  expireRefs,
  openMergeEngine,
  openRepository,
  readRepositoryIdentity,
  updateRefs,
  writeCommit,
} from "@canopy/git";
import type { Repository } from "@canopy/git";
import { roundMs, timeMs } from "./bench-result.ts";
import type { BenchResult } from "./bench-result.ts";
import { createSampleRepository, samplePath } from "./sample-repository.ts";
import type { SampleRepository } from "./sample-repository.ts";

const FILE_COUNT = 5000;
const CHANGE_COUNT = 1000;
const START_MS = 1_700_000_000_000;
const WHO = { name: "Bench", email: "bench@example.test" };

interface Change {
  readonly number: number;
  readonly base: string;
}

/** One changed line in a file of its own (every tenth: in one file that all of those change), made without a working tree. */
async function makeChange(repository: Repository, index: string, { number, base }: Change): Promise<string> {
  const path = samplePath(number % 10 === 0 ? 0 : number);
  const before = (await repository.readObject(`${base}:${path}`))?.content.toString("utf8") ?? "";
  const text = before.replace(/^.*$/m, (line) => `${line.split(" //")[0] ?? ""} // ${number}`);
  const blob = await repository.writeObject("blob", Buffer.from(text));
  const git = (...args: string[]) => repository.git(args, { indexFile: index });
  await git("read-tree", base);
  await git("update-index", "--cacheinfo", `100644,${blob},${path}`);
  const tree = (await git("write-tree")).stdout.toString("utf8").trim();
  const at = { ...WHO, atMs: START_MS + number * 1000 };
  return await writeCommit(repository, {
    tree,
    parents: [base],
    author: at,
    committer: at,
    message: `Change ${number}`,
  });
}

/** Lands changes as the queue does: an attempt ref each, a failed ref for those that conflict, all starting at one base. */
async function landChanges(sample: SampleRepository, repository: Repository): Promise<number> {
  const engine = openMergeEngine(repository);
  let tip: string = sample.commit;
  let failedCount = 0;
  for (let number = 0; number < CHANGE_COUNT; number += 1) {
    const change = await makeChange(repository, join(sample.root, "index"), { number, base: sample.commit });
    const at = { ...WHO, atMs: START_MS + number * 1000 };
    await updateRefs(repository, [{ ref: `${ATTEMPT_REF_PREFIX}att_${number}`, newCommit: change }]);
    const said = { author: at, committer: at, message: `Change ${number}` };
    const [result] = (await engine.buildStack(tip, [{ ...said, change }])).results;
    if (result?.state === "clean") {
      tip = result.commit;
      await updateRefs(repository, [{ ref: "refs/heads/canopy/main", newCommit: tip }]);
    }
    if (result?.state !== "conflicted") continue;
    failedCount += 1;
    const commit = await writeCommit(repository, { ...said, tree: result.tree, parents: [tip] });
    await updateRefs(repository, [{ ref: `${FAILED_REF_PREFIX}chg_${number}/1`, newCommit: commit }]);
  }
  return failedCount;
}

interface Size {
  readonly refs: number;
  readonly refFiles: number;
  readonly packedRefsBytes: number;
  readonly looseObjects: number;
  readonly looseKib: number;
  readonly packKib: number;
}

async function measureSize(sample: SampleRepository): Promise<Size> {
  const gitDirectory = join(sample.workTree, ".git");
  const counts = new Map(
    (await sample.git(["count-objects", "-v"])).split("\n").map((line) => {
      const [key = "", value = "0"] = line.split(": ");
      return [key, Number(value)] as const;
    }),
  );
  const files = await readdir(join(gitDirectory, "refs"), { recursive: true, withFileTypes: true });
  const packed = await readFile(join(gitDirectory, "packed-refs")).catch(() => Buffer.alloc(0));
  return {
    refs: (await sample.git(["for-each-ref"])).split("\n").filter(Boolean).length,
    refFiles: files.filter((entry) => entry.isFile()).length,
    packedRefsBytes: packed.length,
    looseObjects: counts.get("count") ?? 0,
    looseKib: counts.get("size") ?? 0,
    packKib: counts.get("size-pack") ?? 0,
  };
}

async function rowOf(
  name: string,
  sample: SampleRepository,
  work: () => Promise<unknown>,
): Promise<(string | number)[]> {
  const ms = await timeMs(work);
  const size = await measureSize(sample);
  return [
    name,
    size.refs,
    size.refFiles,
    size.packedRefsBytes,
    size.looseObjects,
    size.looseKib,
    size.packKib,
    roundMs(ms),
  ];
}

/** Refs and disk that 1,000 changes leave in a repository of 5,000 files, before and after expiry and gc. */
export async function run(): Promise<BenchResult> {
  await using sample = await createSampleRepository(FILE_COUNT);
  await using repository = openRepository(await readRepositoryIdentity(sample.workTree));
  let failedCount = 0;
  const expire = (): Promise<unknown> =>
    expireRefs(repository, {
      nowMs: START_MS + CHANGE_COUNT * 1000,
      rules: [ATTEMPT_REF_PREFIX, FAILED_REF_PREFIX].map((prefix) => ({ prefix, maxAgeMs: 100_000 })),
      isProtected: () => false,
      dryRun: false,
    });
  const gc = (): Promise<string> => sample.git(["gc", "-q", "--prune=now"]);
  const rows = [
    await rowOf("base, packed", sample, gc),
    await rowOf("1,000 changes, loose", sample, async () => {
      failedCount = await landChanges(sample, repository);
    }),
    await rowOf("then git gc", sample, gc),
    await rowOf("then expiry (a tenth is young enough)", sample, expire),
    await rowOf("then git gc again", sample, gc),
  ];
  const problems = await sample.git(["fsck", "--full", "--strict", "--no-dangling"]);
  return {
    name: "refs",
    columns: [
      "after",
      "refs",
      "ref files",
      "packed-refs bytes",
      "loose objects",
      "loose KiB",
      "pack KiB",
      "took ms",
    ],
    rows,
    notes: [
      `${FILE_COUNT} files; ${CHANGE_COUNT} changes of one line, of which ${failedCount} conflict and are kept as failed.`,
      "KiB as git count-objects tells them: what is taken on disk, in blocks for loose objects. Ref files take a block each.",
      `git fsck --full --strict at the end: ${problems === "" ? "clean" : problems}`,
    ],
  };
}
