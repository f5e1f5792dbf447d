import * as fc from "fast-check";
import { expect, test } from "vitest";
import { editTree } from "./edit-tree.ts";
import { bytePathOf } from "./git-object.ts";
import { findLostLines } from "./find-lost-lines.ts";
import type { LostLines } from "./find-lost-lines.ts";
import { openMergeEngine } from "./merge-engine.ts";
import { createTemporaryRepository } from "./temporary-repository.ts";
import type { TemporaryRepository } from "./temporary-repository.ts";
import { writeCommit } from "./write-commit.ts";

const ADA = { name: "Ada", email: "ada@example.test", atMs: 1_700_000_000_000 };
const LINES = Array.from({ length: 30 }, (_value, index) => `line ${index}`);

type File = string | Buffer | { readonly mode: string; readonly text: string };
type Files = Readonly<Record<string, File>>;

function text(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}

function isModed(file: File): file is { readonly mode: string; readonly text: string } {
  return typeof file !== "string" && !Buffer.isBuffer(file);
}

async function commit(fixture: TemporaryRepository, files: Files, parents: string[] = []): Promise<string> {
  const { repository } = fixture;
  const edits = await Promise.all(
    Object.entries(files).map(async ([path, file]) => {
      const content = isModed(file) ? file.text : file;
      const objectId = await repository.writeObject("blob", Buffer.from(content));
      return { path: bytePathOf(path), entry: { mode: isModed(file) ? file.mode : "100644", objectId } };
    }),
  );
  const tree = await editTree(repository, null, edits);
  return await writeCommit(repository, { tree, parents, author: ADA, committer: ADA, message: "c" });
}

interface Sides {
  readonly base: Files;
  readonly tip: Files;
  readonly change: Files;
  readonly candidate: Files;
}

async function lostOf(fixture: TemporaryRepository, sides: Sides): Promise<LostLines[]> {
  const base = await commit(fixture, sides.base);
  return await findLostLines(fixture.repository, {
    base,
    tip: await commit(fixture, sides.tip, [base]),
    change: await commit(fixture, sides.change, [base]),
    candidate: await commit(fixture, sides.candidate, [base]),
  });
}

const other = text(["other"]);

test("a stale copy of a file that others changed loses their lines", async () => {
  await using fixture = await createTemporaryRepository();
  const lost = await lostOf(fixture, {
    base: { "src/a": text(LINES), b: other },
    tip: { "src/a": text(LINES.with(3, "their fix").with(7, "  }  ")), b: other },
    change: { "src/a": text(LINES), b: text(["mine"]) },
    candidate: { "src/a": text(LINES), b: text(["mine"]) },
  });
  expect(lost).toEqual([
    {
      path: "src/a",
      lines: ["their fix"],
      count: 1,
      isWholeEntry: false,
      isContested: false,
      isVerbatimTheirs: true,
    },
  ]);
});

test("a conflict resolved to the change's side is contested, and verbatim theirs", async () => {
  await using fixture = await createTemporaryRepository();
  const resolved = LINES.with(3, "mine").with(20, "kept from others");
  const sides = {
    base: { a: text(LINES) },
    tip: { a: text(LINES.with(3, "their fix").with(20, "kept from others")) },
    change: { a: text(LINES.with(3, "mine")) },
  };
  const [lost] = await lostOf(fixture, { ...sides, candidate: { a: text(resolved) } });
  expect(lost).toEqual({
    path: "a",
    lines: ["their fix"],
    count: 1,
    isWholeEntry: false,
    isContested: true,
    isVerbatimTheirs: true,
  });
  const blended = text(LINES.with(3, "mine and a fix").with(20, "kept from others"));
  expect(await lostOf(fixture, { ...sides, candidate: { a: blended } })).toEqual([
    { ...lost, isVerbatimTheirs: false },
  ]);
  const both = text([...LINES.slice(0, 3), "mine", "\ttheir  fix ", ...LINES.slice(4)]).replace(
    "line 20",
    "kept from others",
  );
  expect(await lostOf(fixture, { ...sides, candidate: { a: both } })).toEqual([]);
});

test("what the change itself removed, and blank lines and braces, are not lost", async () => {
  await using fixture = await createTemporaryRepository();
  const lost = await lostOf(fixture, {
    base: { a: text(["x", "dup", ...LINES]) },
    tip: { a: text(["x", "dup", ...LINES, "", "}", "dup"]) },
    change: { a: text(["x", ...LINES]) },
    candidate: { a: text(["x", ...LINES, "dup"]) },
  });
  expect(lost).toEqual([]);
});

test("lines that moved to another file that the candidate changes stand", async () => {
  await using fixture = await createTemporaryRepository();
  const base = { a: text(LINES), b: other };
  const tip = { a: text(LINES.with(3, "their fix")), b: other };
  const change = { a: text(LINES.slice(10)), b: text(["other", ...LINES.slice(0, 10)]) };
  const moved = { a: change.a, b: text(["other", ...LINES.slice(0, 10).with(3, "their fix")]) };
  expect(await lostOf(fixture, { base, tip, change, candidate: moved })).toEqual([]);
  expect((await lostOf(fixture, { base, tip, change, candidate: change })).map((item) => item.lines)).toEqual(
    [["their fix"]],
  );
});

test("binary files, links, modes and deletions count as a whole", async () => {
  await using fixture = await createTemporaryRepository();
  const base: Files = {
    bin: Buffer.from("\0one"),
    link: { mode: "120000", text: "a" },
    run: "echo\n",
    gone: "old\n",
    back: text(LINES),
    big: "x\n".repeat(600_000),
  };
  const tip: Files = {
    bin: Buffer.from("\0two"),
    link: { mode: "120000", text: "b" },
    run: { mode: "100755", text: "echo\n" },
    back: text(LINES.with(1, "theirs")),
    big: "y\n".repeat(600_000),
    empty: "",
  };
  const candidate: Files = {
    bin: Buffer.from("\0one"),
    link: { mode: "120000", text: "a" },
    run: "echo\n",
    gone: "old\n",
    big: "x\n".repeat(600_000),
  };
  const lost = await lostOf(fixture, { base, tip, change: { ...base, own: "1\n" }, candidate });
  expect(lost.map((item) => [item.path, item.isWholeEntry, item.isContested, item.isVerbatimTheirs])).toEqual(
    [
      ["back", false, false, false],
      ["big", true, false, true],
      ["bin", true, false, true],
      ["empty", true, false, true],
      ["gone", true, false, true],
      ["link", true, false, true],
      ["run", true, false, true],
    ],
  );
});

test("a file that others changed and the change renamed keeps their lines under the new name", async () => {
  await using fixture = await createTemporaryRepository();
  const base = { a: text(LINES), bin: Buffer.from(`\0${text(LINES)}`) };
  const tip = { a: text(LINES.with(3, "their fix")), bin: Buffer.from(`\0${text(LINES)}more`) };
  const change = { "d/a2": text(LINES.with(20, "mine")), bin2: base.bin };
  const candidate = { "d/a2": text(LINES.with(20, "mine").with(3, "their fix")), bin2: tip.bin };
  expect(await lostOf(fixture, { base, tip, change, candidate })).toEqual([]);
});

test("what a plain three-way merge gives is never lost: a line that both added and the change moved", async () => {
  await using fixture = await createTemporaryRepository();
  const moved = [...LINES.slice(0, 10), "same", ...LINES.slice(10)];
  const sides = {
    base: { a: text(["same", ...LINES]) },
    tip: { a: text(["same", ...moved]) },
    change: { a: text(moved) },
  };
  expect(await lostOf(fixture, { ...sides, candidate: { a: text(moved) } })).toEqual([]);
  const [lost] = await lostOf(fixture, { ...sides, candidate: { a: text(["new", ...moved]) } });
  expect(lost?.lines).toEqual(["same"]);
});

test("the merge that explains a difference is made with the tip's attributes", async () => {
  await using fixture = await createTemporaryRepository();
  const lines = (first: string[], twentieth: string[]): string =>
    text([...first, ...LINES.slice(0, 10), "same", ...LINES.slice(10, 20), ...twentieth, ...LINES.slice(21)]);
  const attributes = { ".gitattributes": "a merge=union\n" };
  const sides = {
    base: { ...attributes, a: text(["same", ...LINES]) },
    tip: { ...attributes, a: lines(["same"], ["theirs"]) },
    change: { ...attributes, a: lines([], ["mine"]) },
    candidate: { ...attributes, a: lines([], ["theirs", "mine"]) },
  };
  expect(await lostOf(fixture, sides)).toEqual([]);
});

// Few different lines, so that the same line is often added or removed on both sides.
const WORDS = ["alpha", "beta", "gamma", "delta", "}", ""];
const editArbitrary = fc.record({
  file: fc.constantFrom("a", "b", "d/c"),
  at: fc.nat(40),
  remove: fc.nat(3),
  insert: fc.array(fc.constantFrom(...WORDS), { maxLength: 3 }),
});
const editsArbitrary = fc.array(editArbitrary, { minLength: 1, maxLength: 4 });
const START: Record<string, string[]> = {
  a: Array.from({ length: 24 }, (_value, index) => WORDS[index % 5]! + (index % 3 === 0 ? index : "")),
  b: LINES,
  "d/c": Array.from({ length: 12 }, (_value, index) => WORDS[index % 4]!),
};

type Edit = typeof editArbitrary extends fc.Arbitrary<infer T> ? T : never;

function applyEdits(edits: readonly Edit[]): Record<string, string[]> {
  const files: Record<string, string[]> = { ...START };
  for (const { file, at, remove, insert } of edits) {
    const lines = files[file] ?? [];
    files[file] = lines.toSpliced(at % (lines.length + 1), remove, ...insert);
  }
  return files;
}

function toFiles(files: Record<string, string[]>): Files {
  return Object.fromEntries(Object.entries(files).map(([path, lines]) => [path, text(lines)]));
}

const RUNS = { numRuns: Number(process.env["CANOPY_FUZZ_RUNS"] ?? 120) };

test("a clean three-way merge never loses lines; one line less is found", { timeout: 240_000 }, async () => {
  await using fixture = await createTemporaryRepository();
  const { repository } = fixture;
  const base = await commit(fixture, toFiles(START));
  const engine = openMergeEngine(repository);
  let cleanCount = 0;
  await fc.assert(
    fc.asyncProperty(editsArbitrary, editsArbitrary, async (ours, theirs) => {
      const mine = applyEdits(ours);
      const own = mine["a"] ?? [];
      const files = { ...mine, a: own.toSpliced(own.length >> 1, 0, "only others have this") };
      const tip = await commit(fixture, toFiles(files), [base]);
      const change = await commit(fixture, toFiles(applyEdits(theirs)), [base]);
      const merged = await engine.mergeCommit({ tip, change });
      if (merged.state !== "clean") return;
      cleanCount += 1;
      const request = { base, tip, change, candidate: merged.tree };
      expect(await findLostLines(repository, request)).toEqual([]);
      const whole = (await repository.readObject(`${merged.tree}:a`))?.content.toString("utf8") ?? "";
      const less = whole.replace("only others have this\n", "");
      const objectId = await repository.writeObject("blob", Buffer.from(less));
      const entry = { mode: "100644", objectId };
      const candidate = await editTree(repository, merged.tree, [{ path: "a", entry }]);
      const lost = await findLostLines(repository, { ...request, candidate });
      expect(lost.map((item) => [item.path, item.lines])).toEqual([["a", ["only others have this"]]]);
    }),
    RUNS,
  );
  expect(cleanCount).toBeGreaterThan(10);
});

test(
  "taking the change's files whole over others' new lines always loses them",
  { timeout: 240_000 },
  async () => {
    await using fixture = await createTemporaryRepository();
    const base = await commit(fixture, toFiles(START));
    await fc.assert(
      fc.asyncProperty(
        editsArbitrary,
        editsArbitrary,
        fc.constantFrom("a", "b", "d/c"),
        async (ours, theirs, file) => {
          const mine = applyEdits(ours);
          const own = mine[file] ?? [];
          const tip = await commit(
            fixture,
            toFiles({ ...mine, [file]: own.toSpliced(own.length >> 1, 0, "only theirs") }),
            [base],
          );
          const changed = applyEdits(theirs);
          changed[file] = [...(changed[file] ?? []), "only mine"];
          const change = await commit(fixture, toFiles(changed), [base]);
          const lost = await findLostLines(fixture.repository, { base, tip, change, candidate: change });
          const found = lost.find((item) => item.path === file);
          expect([found?.lines.includes("only theirs"), found?.isVerbatimTheirs]).toEqual([true, true]);
        },
      ),
      RUNS,
    );
  },
);
