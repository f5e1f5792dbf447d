import { execFile } from "node:child_process";
import { chmod, lstat, mkdir, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Capture } from "./capture-result.ts";
import { captureTree } from "./capture-tree.ts";
import { captureUpper } from "./capture-upper.ts";
import { materializeCommit } from "./materialize-commit.ts";
import { mountTemporaryOverlay } from "./temporary-overlay.ts";
import type { TemporaryOverlay } from "./temporary-overlay.ts";
import { createTemporaryRepository, runUserGit } from "./temporary-repository.ts";
import type { TemporaryRepository } from "./temporary-repository.ts";

const BASE: Record<string, string> = {
  ".gitignore": "*.log\nbuild/\n",
  ".gitattributes": "*.crlf text eol=crlf\n*.auto text=auto\n",
  "README.md": "hello\n",
  "src/main.ts": "main\n",
  "src/deep/er/one.ts": "1\n",
  "src/deep/er/two.ts": "2\n",
  "src/deep/three.auto": "a\nb\n",
  "lib/x.crlf": "x\n",
  "lib/y.ts": "y\n",
  "tracked.log": "tracked although ignored\n",
  "name with space and ü": "u\n",
};

const run = promisify(execFile);

interface Setup {
  readonly base: string;
  readonly overlay: TemporaryOverlay;
  readonly capture: () => Promise<Capture>;
}

async function prepare(fixture: TemporaryRepository): Promise<string> {
  await fixture.write(BASE);
  await symlink("README.md", join(fixture.workTree, "link"));
  await chmod(join(fixture.workTree, "src/main.ts"), 0o755);
  await fixture.git(["add", "-A", "-f"]);
  return await fixture.commitAll("base");
}

async function setUp(fixture: TemporaryRepository, name = "overlay"): Promise<Setup> {
  const base = await prepare(fixture);
  return await mountOn(fixture, base, name);
}

async function mountOn(fixture: TemporaryRepository, base: string, name: string): Promise<Setup> {
  const root = join(fixture.root, name);
  await materializeCommit(fixture.repository, {
    commit: base,
    directory: join(root, "lower"),
    branch: "main",
  });
  await run(
    "sh",
    [
      "-c",
      "find . -path ./.git -prune -o -exec touch -h -d 2001-01-01 {} + && git update-index -q --refresh",
    ],
    {
      cwd: join(root, "lower"),
    },
  );
  const overlay = await mountTemporaryOverlay(root);
  const capture = (): Promise<Capture> =>
    captureUpper(fixture.repository, {
      baseCommit: base,
      upperDirectory: overlay.upperDirectory,
      mergedDirectory: overlay.mergedDirectory,
      workTree: overlay.workTree,
      enter: overlay.enter,
      agentGitDirectory: `${overlay.mergedDirectory}/.git`,
    });
  return { base, overlay, capture };
}

// With the index of the base, whose cached times are all in the past: `git add` reads what changed and nothing else. Files
// that were only touched lose their cached times, for git tells such a touch from none only when a second has passed.
const ADD_ALL = `export GIT_INDEX_FILE="$PWD/../fuzz-index"; cp ../lower/.git/index "$GIT_INDEX_FILE"
(cd ../upper && find . -path ./.git -prune -o -type f -print0) | sed -z 's,^[.]/,,' |
  xargs -0 -r git --literal-pathspecs ls-files -s -z -- | git update-index -z --index-info
git add -A 2>/dev/null; git write-tree; rm -f "$GIT_INDEX_FILE"`;

test("a workspace in which nothing was done is the base", async () => {
  await using fixture = await createTemporaryRepository();
  const { base, overlay, capture } = await setUp(fixture);
  await using _overlay = overlay;
  await overlay.run("cat README.md >/dev/null; git status >/dev/null; touch src/main.ts");
  expect(await capture()).toEqual({
    tree: await fixture.git(["rev-parse", `${base}^{tree}`]),
    changed: [],
    agentHead: null,
    agentCommits: [],
    notes: [],
  });
});

test("every kind of change is captured and named", async () => {
  await using fixture = await createTemporaryRepository();
  const { overlay, capture } = await setUp(fixture);
  await using _overlay = overlay;
  await overlay.run(`
    echo more >> README.md; rm -r src/deep; mv lib/y.ts "lib/z y.ts"; chmod +x lib/x.crlf
    rm src/main.ts; ln -s ../README.md src/main.ts; rm link; echo file > link
    printf 'a\\000b' > binary; mkdir -p new/dir; echo n > "new/dir/ü
line"; mkdir build; echo o > build/out; echo l > a.log; echo changed >> tracked.log
    mkfifo pipe; mkdir empty; mkdir -p repo/.git; echo 'ref: refs/heads/x' > repo/.git/HEAD; echo x > repo/file`);
  const result = await capture();
  expect(result.changed).toEqual([
    { path: "README.md", kind: "modified" },
    { path: "binary", kind: "added" },
    { path: "lib/x.crlf", kind: "modified" },
    { path: "lib/y.ts", kind: "deleted" },
    { path: "lib/z y.ts", kind: "added" },
    { path: "link", kind: "type-changed" },
    { path: "new/dir/ü\nline", kind: "added" },
    { path: "src/deep/er/one.ts", kind: "deleted" },
    { path: "src/deep/er/two.ts", kind: "deleted" },
    { path: "src/deep/three.auto", kind: "deleted" },
    { path: "src/main.ts", kind: "type-changed" },
    { path: "tracked.log", kind: "modified" },
  ]);
  await overlay.run("rm -r repo");
  expect(result.tree).toBe((await overlay.run(ADD_ALL)).trim());
});

test("a directory deleted and made again hides what the base had in it", async () => {
  await using fixture = await createTemporaryRepository();
  const { overlay, capture } = await setUp(fixture);
  await using _overlay = overlay;
  await overlay.run("rm -r src; mkdir -p src/deep; echo new > src/deep/new.ts");
  const result = await capture();
  expect(result.changed).toEqual([
    { path: "src/deep/er/one.ts", kind: "deleted" },
    { path: "src/deep/er/two.ts", kind: "deleted" },
    { path: "src/deep/new.ts", kind: "added" },
    { path: "src/deep/three.auto", kind: "deleted" },
    { path: "src/main.ts", kind: "deleted" },
  ]);
  expect(result.tree).toBe((await overlay.run(ADD_ALL)).trim());
});

test("files left out are left out, whether new or changed", async () => {
  await using fixture = await createTemporaryRepository();
  const { base, overlay } = await setUp(fixture);
  await using _overlay = overlay;
  await overlay.run("echo s > .env; mkdir -p mod/a; echo m > mod/a/b; echo more >> README.md; echo k > kept");
  const options = { baseCommit: base, excludePaths: [".env", "mod", "README.md"] };
  const result = await captureUpper(fixture.repository, { ...options, ...overlay });
  expect(result.changed).toEqual([{ path: "kept", kind: "added" }]);
});

test("the agent's commits come along, with loose objects, packs and packed refs", async () => {
  await using fixture = await createTemporaryRepository();
  const { overlay, capture } = await setUp(fixture);
  await using _overlay = overlay;
  await overlay.run(`echo 1 > one; git add one; git commit -q -m 'Add one' -m 'Because.'
    echo 2 > two; git add two; git commit -q -m 'Add two'; git repack -q -a -d -l; git pack-refs --all
    echo 3 > three; git add three; git commit -q -m 'Add three'; echo uncommitted > four`);
  const result = await capture();
  const commits = (await overlay.run("git log --reverse --format=%H main -3")).trim().split("\n");
  expect(result).toEqual({
    tree: (await overlay.run(ADD_ALL)).trim(),
    changed: ["four", "one", "three", "two"].map((path) => ({ path, kind: "added" })),
    agentHead: commits[2],
    agentCommits: [
      { commit: commits[0], subject: "Add one", body: "Because." },
      { commit: commits[1], subject: "Add two", body: "" },
      { commit: commits[2], subject: "Add three", body: "" },
    ],
    notes: [],
  });
  expect(await fixture.git(["cat-file", "-p", `${commits[2] ?? ""}:three`])).toBe("3");
  expect(await fixture.git(["fsck", "--strict", "--no-dangling", "--connectivity-only"])).toBe("");
});

test("a rewritten history is captured by its files", async () => {
  await using fixture = await createTemporaryRepository();
  const { overlay, capture } = await setUp(fixture);
  await using _overlay = overlay;
  await overlay.run("git checkout -q --orphan fresh; echo 1 > one; git add -A; git commit -q -m fresh");
  const result = await capture();
  expect(result.changed).toEqual([{ path: "one", kind: "added" }]);
  expect(result.agentCommits.map((commit) => commit.subject)).toEqual(["fresh"]);
});

test("what an agent plants in its git directory does nothing", async () => {
  await using fixture = await createTemporaryRepository();
  await using other = await createTemporaryRepository();
  await other.write({ secret: "a secret of another repository\n" });
  await other.commitAll("secret");
  const secret = await other.git(["rev-parse", "HEAD:secret"]);
  const { overlay, capture } = await setUp(fixture);
  await using _overlay = overlay;
  const marker = join(fixture.root, "pwned");
  await overlay.run(`
    git config core.fsmonitor 'touch ${marker}'; git config core.hooksPath .git/evil
    git config filter.evil.clean 'touch ${marker}; cat'; echo '* filter=evil' > .git/info/attributes
    git config core.sshCommand 'touch ${marker}'; git config core.pager 'touch ${marker}'
    mkdir -p .git/evil; for h in post-index-change reference-transaction pre-commit; do
      printf '#!/bin/sh\\ntouch ${marker}\\n' > .git/evil/$h; chmod +x .git/evil/$h; done
    echo '${other.workTree}/.git/objects' >> .git/objects/info/alternates
    echo 'README.md' >> .git/info/exclude; echo text > new.txt`);
  await rm(marker, { force: true });
  // A commit whose tree names an object that only the planted alternate has.
  await overlay.run(`git -c core.fsmonitor=false -c core.hooksPath=/dev/null update-index --add --cacheinfo 100644,${secret},stolen
    c=$(git -c core.fsmonitor=false commit-tree -p HEAD -m stolen $(git -c core.fsmonitor=false write-tree))
    echo $c > .git/refs/heads/main`);
  await rm(marker, { force: true });
  const result = await capture();
  expect(result.changed).toEqual([{ path: "new.txt", kind: "added" }]);
  expect(result.agentHead).toBe(null);
  expect(result.notes).toHaveLength(1);
  expect(await fixture.repository.readObject(secret)).toBe(null);
  await expect(lstat(marker)).rejects.toMatchObject({ code: "ENOENT" });
});

test("links in place of refs and object folders are not followed", async () => {
  await using fixture = await createTemporaryRepository();
  await using other = await createTemporaryRepository();
  const foreign = await other.commitAll("foreign");
  const { overlay, capture } = await setUp(fixture);
  await using _overlay = overlay;
  await overlay.run(
    `rm -rf .git/objects; ln -s ${other.workTree}/.git/objects .git/objects; echo ${foreign} > .git/HEAD`,
  );
  expect(await capture()).toMatchObject({ agentHead: null, agentCommits: [], changed: [] });
  expect(await fixture.repository.readObject(foreign)).toBe(null);
  await overlay.run(`rm .git/HEAD; ln -s ${other.workTree}/.git/refs/heads/main .git/HEAD`);
  expect((await capture()).notes).toEqual(["the workspace's HEAD cannot be read"]);
});

test.skipIf(process.getuid?.() === 0)(
  "a folder that cannot be entered is an error that names it",
  async () => {
    await using fixture = await createTemporaryRepository();
    const { overlay, capture } = await setUp(fixture);
    await using _overlay = overlay;
    await overlay.run("echo more >> src/main.ts; chmod 000 src");
    await expect(capture()).rejects.toMatchObject({ code: "workspace.failed", data: { path: "src" } });
    await overlay.run("chmod 755 src");
  },
);

test("a plain folder is captured alike, with embedded repositories left out", async () => {
  await using fixture = await createTemporaryRepository();
  const base = await prepare(fixture);
  const workTree = join(fixture.root, "plain");
  await materializeCommit(fixture.repository, { commit: base, directory: workTree, branch: "main" });
  await writeFile(join(workTree, "new file"), "n");
  await writeFile(join(workTree, "out.log"), "n");
  await writeFile(join(workTree, ".env"), "n");
  await rm(join(workTree, "lib"), { recursive: true });
  await mkdir(join(workTree, "embedded"));
  await runUserGit(join(workTree, "embedded"), ["init", "-q"]);
  await runUserGit(workTree, ["commit", "-q", "-a", "-m", "Remove lib"]);
  const result = await captureTree(fixture.repository, {
    baseCommit: base,
    workTree,
    excludePaths: [".env"],
    agentGitDirectory: join(workTree, ".git"),
  });
  expect(result.changed).toEqual([
    { path: "lib/x.crlf", kind: "deleted" },
    { path: "lib/y.ts", kind: "deleted" },
    { path: "new file", kind: "added" },
  ]);
  expect(result.agentCommits.map((commit) => commit.subject)).toEqual(["Remove lib"]);
  expect(await fixture.git(["cat-file", "-t", result.tree])).toBe("tree");
});

const NAMES = [
  "README.md",
  "src",
  "src/main.ts",
  "src/deep",
  "src/deep/er",
  "src/deep/er/one.ts",
  "lib",
  "lib/x.crlf",
  "a.log",
  "tracked.log",
  "build",
  "build/o",
  "new",
  "new/a.auto",
  "new/b c",
  "link",
  "lib/ü.crlf",
  "src/deep/three.auto",
];

const editArbitrary = fc.oneof(
  fc.record({
    type: fc.constant("write" as const),
    path: fc.constantFrom(...NAMES),
    content: fc.constantFrom("x\n", "a\r\nb\r\n", "a\nb\n", "\0bin", ""),
  }),
  fc.record({ type: fc.constant("remove" as const), path: fc.constantFrom(...NAMES) }),
  fc.record({ type: fc.constant("directory" as const), path: fc.constantFrom(...NAMES) }),
  fc.record({
    type: fc.constant("link" as const),
    path: fc.constantFrom(...NAMES),
    target: fc.constantFrom("README.md", "nowhere", "src"),
  }),
  fc.record({
    type: fc.constant("mode" as const),
    path: fc.constantFrom(...NAMES),
    isExecutable: fc.boolean(),
  }),
  fc.record({
    type: fc.constant("move" as const),
    path: fc.constantFrom(...NAMES),
    to: fc.constantFrom(...NAMES),
  }),
  fc.record({
    type: fc.constant("ignore" as const),
    rule: fc.constantFrom("*.log", "new/", "!a.log", "*.auto", "lib", "/src/deep", "link"),
  }),
  fc.record({
    type: fc.constant("attribute" as const),
    rule: fc.constantFrom("*.ts text eol=crlf", "* text=auto", "*.auto -text", "* -text"),
  }),
);

type Edit = typeof editArbitrary extends fc.Arbitrary<infer T> ? T : never;

/** Edits that make no sense where things are (a file below a file) are skipped: both captures see the same end state. */
async function applyEdit(root: string, edit: Edit): Promise<void> {
  const attempt = async (work: () => Promise<unknown>): Promise<void> =>
    void (await work().catch(() => undefined));
  if (edit.type === "ignore")
    return await attempt(() => writeFile(join(root, ".gitignore"), `${edit.rule}\n`));
  if (edit.type === "attribute")
    return await attempt(() => writeFile(join(root, ".gitattributes"), `${edit.rule}\n`));
  const path = join(root, edit.path);
  await attempt(async () => {
    if (edit.type === "remove") return await rm(path, { recursive: true });
    // A folder that its owner may not enter cannot be compared with git, which cannot enter it either.
    if (edit.type === "mode" && (await stat(path)).isDirectory()) return;
    if (edit.type === "mode") return await chmod(path, edit.isExecutable ? 0o755 : 0o644);
    if (edit.type === "directory") {
      await rm(path, { recursive: true, force: true });
      return await mkdir(path);
    }
    if (edit.type === "move") {
      await mkdir(dirname(join(root, edit.to)), { recursive: true });
      return await rename(path, join(root, edit.to));
    }
    await mkdir(dirname(path), { recursive: true });
    const info = await lstat(path).catch(() => null);
    if (info?.isSymbolicLink() === true || edit.type === "link")
      await rm(path, { recursive: true, force: true });
    return await (edit.type === "write" ? writeFile(path, edit.content) : symlink(edit.target, path));
  });
}

test("random edits give the tree of `git add -A`", { timeout: 240_000 }, async () => {
  await using fixture = await createTemporaryRepository();
  const base = await prepare(fixture);
  let round = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(editArbitrary, { minLength: 1, maxLength: 12 }), async (edits) => {
      round += 1;
      const { overlay, capture } = await mountOn(fixture, base, `round-${round}`);
      try {
        for (const edit of edits) await applyEdit(overlay.mergedDirectory, edit);
        const result = await capture();
        const expected = (await overlay.run(ADD_ALL)).trim();
        if (result.tree !== expected) {
          const difference = await overlay.run(`git diff-tree -r ${expected} ${result.tree}`).catch(String);
          throw new Error(`captured ${result.tree}, git add -A ${expected}:\n${difference}`);
        }
      } finally {
        await overlay[Symbol.asyncDispose]();
        await rm(join(fixture.root, `round-${round}`), { recursive: true, force: true });
      }
    }),
    { numRuns: Number(process.env["CANOPY_FUZZ_RUNS"] ?? 60) },
  );
});
