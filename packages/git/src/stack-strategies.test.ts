import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readAgentCommits } from "./agent-commits.ts";
import { openMergeEngine } from "./merge-engine.ts";
import { COMMITS_REF_PREFIX, updateRefs } from "./refs.ts";
import type { StackedChange, StackedResult, Strategy } from "./stack-result.ts";
import { createTemporaryRepository } from "./temporary-repository.ts";
import type { TemporaryRepository } from "./temporary-repository.ts";

const CANOPY = { name: "Canopy", email: "canopy@example.test", atMs: 1_700_000_000_000 };
const TEXT = Array.from({ length: 20 }, (_value, index) => `line ${index}\n`).join("");
const AGENT = ["-c", "user.name=Agent Smith", "-c", "user.email=smith@example.test"];

async function checkOut(fixture: TemporaryRepository, commit: string): Promise<void> {
  await fixture.git(["checkout", "-q", "--detach", "-f", commit]);
  await fixture.git(["clean", "-q", "-ffdx"]);
}

async function commitAs(fixture: TemporaryRepository, message: string): Promise<string> {
  await fixture.git(["add", "-A", "-f"]);
  await fixture.git([
    ...AGENT,
    "commit",
    "-q",
    "--allow-empty",
    "--author=Agent Smith <smith@example.test>",
    "--date=2026-02-03T04:05:06+02:00",
    "-m",
    message,
  ]);
  return await fixture.git(["rev-parse", "HEAD"]);
}

/** What capture makes of the working tree: one commit on the base, without some paths. */
async function capture(fixture: TemporaryRepository, base: string, leftOut: string[] = []): Promise<string> {
  await fixture.git(["add", "-A", "-f"]);
  if (leftOut.length > 0) await fixture.git(["rm", "-q", "--cached", ...leftOut]);
  const tree = await fixture.git(["write-tree"]);
  return await fixture.git(["commit-tree", tree, "-p", base, "-m", "attempt"]);
}

async function land(
  fixture: TemporaryRepository,
  tip: string,
  change: Pick<StackedChange, "change" | "commits"> & { readonly strategy: Strategy },
): Promise<Extract<StackedResult, { state: "clean" }>> {
  const stack = await openMergeEngine(fixture.repository).buildStack(tip, [
    {
      ...change,
      author: CANOPY,
      committer: CANOPY,
      message: "Do the task\n\n* step\n\nTask: tsk_1\nAgent: claude\n",
    },
  ]);
  const [result] = stack.results;
  if (result?.state !== "clean") throw new Error(`not clean: ${JSON.stringify(result)}`);
  expect(stack.tip).toBe(result.commit);
  return result;
}

async function describe(fixture: TemporaryRepository, range: string): Promise<string[]> {
  const format = "%s|%an <%ae> %ad|%cn|%(trailers:only,unfold,separator=%x2C)";
  const log = await fixture.git(["log", "--reverse", "--date=iso-strict", `--format=${format}`, range]);
  return log.split("\n");
}

test("keep: the agent's commits are rebased, what was uncommitted comes last, ignored files stay out", async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.write({ "a.txt": TEXT, "b.txt": "b\n", ".env": "old\n" });
  const base = await fixture.commitAll("base");
  await fixture.write({ "a.txt": TEXT.replace("line 19", "tip"), "other.txt": "o\n" });
  const tip = await fixture.commitAll("tip");
  await checkOut(fixture, base);
  await fixture.write({
    "a.txt": TEXT.replace("line 1\n", "one\n"),
    "secret.key": "s3cret\n",
    ".env": "SECRET\n",
  });
  const first = await commitAs(fixture, "First step");
  const nothing = await commitAs(fixture, "Nothing");
  await fixture.write({ "new/file": "1\n" });
  const second = await commitAs(fixture, "Second step\n\nWith a body.");
  await fixture.write({ "b.txt": "uncommitted\n", ".env": "old\n" });
  const change = await capture(fixture, base, ["secret.key"]);

  const result = await land(fixture, tip, { change, commits: [first, nothing, second], strategy: "keep" });

  expect({ ...result, commit: "", commits: result.commits.length, tree: "" }).toEqual({
    state: "clean",
    change,
    commit: "",
    commits: 3,
    tree: "",
    strategyUsed: "keep",
    note: null,
    evidence: { rung: "three-way", drivers: [], contestedPaths: ["a.txt"] },
  });
  expect(await describe(fixture, `${tip}..${result.commit}`)).toEqual([
    "First step|Agent Smith <smith@example.test> 2026-02-03T04:05:06+02:00|Canopy|",
    "Second step|Agent Smith <smith@example.test> 2026-02-03T04:05:06+02:00|Canopy|",
    "Do the task|Canopy <canopy@example.test> 2023-11-14T22:13:20+00:00|Canopy|Task: tsk_1,Agent: claude",
  ]);
  expect(await fixture.git(["log", "-1", "--format=%b", result.commits[1]!])).toBe("With a body.\n");
  expect(await fixture.git(["log", "--format=%H", "--", "secret.key", ".env", "-n1"])).not.toBe("");
  expect(await fixture.git(["log", "--format=%s", result.commit, "--", "secret.key", ".env"])).toBe("base");
  expect(await fixture.git(["show", `${result.commits[0]}:a.txt`])).toContain("one\n");
  expect(await fixture.git(["diff", "--name-only", tip, result.commit])).toBe("a.txt\nb.txt\nnew/file");
  expect(await fixture.git(["fsck", "--strict", "--no-dangling"])).toBe("");
});

test("keep: our trailers are on the agent's last commit when nothing was left uncommitted", async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.write({ a: "1\n" });
  const base = await fixture.commitAll("base");
  await fixture.write({ b: "1\n" });
  const first = await commitAs(fixture, "First");
  await fixture.write({ c: "1\n" });
  const second = await commitAs(fixture, "Second\n\nTask: tsk_forged");
  const change = await capture(fixture, base);
  const result = await land(fixture, base, { change, commits: [first, second], strategy: "keep" });
  expect(await describe(fixture, `${base}..${result.commit}`)).toEqual([
    "First|Agent Smith <smith@example.test> 2026-02-03T04:05:06+02:00|Canopy|",
    "Second|Agent Smith <smith@example.test> 2026-02-03T04:05:06+02:00|Canopy|Task: tsk_1,Agent: claude",
  ]);
  expect(result.evidence).toEqual({ rung: "identical", drivers: [], contestedPaths: [] });
});

test("keep: commits that conflict one by one although the whole merges are squashed, and it is said", async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.write({ a: TEXT });
  const base = await fixture.commitAll("base");
  await fixture.write({ a: TEXT.replace("line 5\n", "tip\n") });
  const tip = await fixture.commitAll("tip");
  await checkOut(fixture, base);
  await fixture.write({ a: TEXT.replace("line 5\n", "a detour\n") });
  const first = await commitAs(fixture, "Detour");
  await fixture.write({ a: TEXT.replace("line 15\n", "fifteen\n") });
  const second = await commitAs(fixture, "Back");
  const change = await capture(fixture, base);
  const result = await land(fixture, tip, { change, commits: [first, second], strategy: "keep" });
  expect([result.strategyUsed, result.note, result.commits]).toEqual([
    "squash",
    `the agent's commit ${first.slice(0, 12)} conflicts by itself`,
    [result.commit],
  ]);
  expect(await describe(fixture, `${tip}..${result.commit}`)).toEqual([
    "Do the task|Canopy <canopy@example.test> 2023-11-14T22:13:20+00:00|Canopy|Task: tsk_1,Agent: claude",
  ]);
});

test("keep: without commits, or with one that is gone, the change is squashed", async () => {
  await using fixture = await createTemporaryRepository();
  const base = await fixture.commitAll("base");
  await fixture.write({ a: "1\n" });
  const change = await capture(fixture, base);
  const none = await land(fixture, base, { change, strategy: "keep" });
  expect([none.strategyUsed, none.note]).toEqual(["squash", "the agent made no commits of its own"]);
  const gone = await land(fixture, base, { change, commits: ["1".repeat(40)], strategy: "keep" });
  expect([gone.strategyUsed, gone.commit]).toEqual(["squash", none.commit]);
  expect(gone.note).toContain("cannot be rebased");
});

test("merge: the commit has the tip and the change as its parents", async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.write({ a: "1\n" });
  const base = await fixture.commitAll("base");
  await fixture.write({ b: "1\n" });
  const tip = await fixture.commitAll("tip");
  await checkOut(fixture, base);
  await fixture.write({ c: "1\n" });
  const change = await capture(fixture, base);
  const result = await land(fixture, tip, { change, strategy: "merge" });
  expect(await fixture.git(["log", "-1", "--format=%P %T", result.commit])).toBe(
    `${tip} ${change} ${result.tree}`,
  );
  expect([result.strategyUsed, result.evidence.rung]).toEqual(["merge", "three-way"]);
  expect(await fixture.git(["ls-tree", "--name-only", result.commit])).toBe("a\nb\nc");
});

test("a merge driver of the person's configuration takes part, and the evidence names it", async () => {
  await using fixture = await createTemporaryRepository();
  const driver = join(fixture.root, "it's 100% mine.sh");
  await writeFile(driver, '#!/bin/sh\ncat "$1" "$2" > "$1.all" && sort -u "$1.all" > "$1"\n');
  await chmod(driver, 0o755);
  await fixture.git(["config", "merge.sorted.driver", `"${driver.replace("%", "%%")}" %A %B`]);
  await fixture.git(["config", "merge.unused.driver", "false"]);
  await fixture.write({ ".gitattributes": "*.list merge=sorted\n", "x.list": "m\n" });
  const base = await fixture.commitAll("base");
  await fixture.write({ "x.list": "a\nm\n" });
  const tip = await fixture.commitAll("tip");
  await checkOut(fixture, base);
  await fixture.write({ "x.list": "m\nz\n" });
  const change = await capture(fixture, base);
  const result = await land(fixture, tip, { change, strategy: "squash" });
  expect(await fixture.git(["show", `${result.commit}:x.list`])).toBe("a\nm\nz");
  expect(result.evidence).toEqual({ rung: "driver", drivers: ["sorted"], contestedPaths: ["x.list"] });
});

test("a merge driver that fails leaves a conflict", async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.git(["config", "merge.never.driver", "exit 1"]);
  await fixture.write({ ".gitattributes": "x merge=never\n", x: TEXT });
  const base = await fixture.commitAll("base");
  await fixture.write({ x: TEXT.replace("line 1\n", "tip\n") });
  const tip = await fixture.commitAll("tip");
  await checkOut(fixture, base);
  await fixture.write({ x: TEXT.replace("line 15\n", "change\n") });
  const change = await capture(fixture, base);
  const result = await openMergeEngine(fixture.repository).mergeCommit({ tip, change });
  expect(result).toMatchObject({ state: "conflicted", files: [{ path: "x", kind: "content" }] });
});

test("an agent's kept commits are read oldest first", async () => {
  await using fixture = await createTemporaryRepository();
  const base = await fixture.commitAll("base");
  const first = await commitAs(fixture, "one");
  const second = await commitAs(fixture, "two");
  await updateRefs(fixture.repository, [{ ref: `${COMMITS_REF_PREFIX}att_1`, newCommit: second }]);
  expect(await readAgentCommits(fixture.repository, "att_1", base)).toEqual([first, second]);
  expect(await readAgentCommits(fixture.repository, "att_2", base)).toEqual([]);
});

test("probing writes nothing to the repository and finds what a merge finds", async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.write({ a: TEXT, "d/b": "1\n" });
  const base = await fixture.commitAll("base");
  const make = async (files: Record<string, string>): Promise<string> => {
    await checkOut(fixture, base);
    await fixture.write(files);
    return await capture(fixture, base);
  };
  const left = await make({ a: TEXT.replace("line 3\n", "left\n"), "d/b": "2\n" });
  const near = await make({ a: TEXT.replace("line 3\n", "right\n") });
  const far = await make({ a: TEXT.replace("line 15\n", "right\n") });
  const other = await make({ "d/c": "2\n" });
  const engine = openMergeEngine(fixture.repository);
  const before = await fixture.git(["count-objects", "-v"]);
  const states = [
    await engine.probeOverlap({ left, right: near }),
    await engine.probeOverlap({ left, right: far }),
    await engine.probeOverlap({ left, right: other }),
    await engine.probeOverlap({ left, right: base }),
  ];
  expect(await fixture.git(["count-objects", "-v"])).toBe(before);
  const real = await engine.mergeCommit({ tip: left, change: near });
  if (real.state !== "conflicted") throw new Error("expected a conflict");
  expect(states).toEqual([
    { state: "conflicted", files: real.files },
    { state: "clean" },
    { state: "clean" },
    { state: "clean" },
  ]);
});
