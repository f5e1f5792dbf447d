import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Worktree } from "./find-worktree.ts";
import { findWorktree, readBranch } from "./find-worktree.ts";
import { namePath, nameTargets } from "./name-path.ts";

let root: string;
let repository: string;

function git(cwd: string, ...args: string[]): void {
  const identity = [
    "-c",
    "user.name=A",
    "-c",
    "user.email=a@example.test",
    "-c",
    "protocol.file.allow=always",
  ];
  const env = { PATH: process.env["PATH"] ?? "", HOME: root, GIT_CONFIG_NOSYSTEM: "1" };
  execFileSync("git", [...identity, ...args], { cwd, env, stdio: "ignore" });
}

function createRepository(name: string): string {
  const folder = join(root, name);
  mkdirSync(join(folder, "src"), { recursive: true });
  git(folder, "init", "-q", "-b", "main");
  writeFileSync(join(folder, "src", "a.ts"), "a\n");
  git(folder, "add", ".");
  git(folder, "commit", "-qm", "start");
  return folder;
}

function worktreeOf(path: string): Worktree {
  const found = findWorktree(path);
  if (found === null) throw new Error(`${path} is in no repository`);
  return found;
}

beforeAll(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "canopy-names-")));
  repository = createRepository("main");
  git(repository, "worktree", "add", "-q", "-b", "topic/x", join(root, "linked tree"));
  const inner = createRepository("inner");
  git(repository, "submodule", "add", "-q", inner, "deps/inner");
  symlinkSync(repository, join(root, "link"));
  symlinkSync(join(repository, "src"), join(repository, "source"));
  mkdirSync(join(root, "plain"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

test("one project from the root, a subfolder, a link, a linked work tree and a submodule", () => {
  const places = ["main", "main/src", "link/src", "linked tree", "main/deps/inner", "main/deps/inner/src"];
  const commons = places.map((place) => worktreeOf(join(root, place)).commonDir);
  expect(new Set(commons)).toEqual(new Set([join(repository, ".git")]));
  expect(places.map((place) => worktreeOf(join(root, place)).root)).toEqual([
    repository,
    repository,
    repository,
    join(root, "linked tree"),
    repository,
    repository,
  ]);
  expect(findWorktree(join(root, "plain"))).toBe(null);
  expect(["main", "linked tree"].map((place) => readBranch(worktreeOf(join(root, place))))).toEqual([
    "main",
    "topic/x",
  ]);
});

test.each([
  ["src/a.ts", "."],
  ["./src/a.ts", "."],
  ["src/../src//a.ts", "."],
  ["a.ts", "src"],
  ["../src/a.ts", "src"],
  ["source/a.ts", "."],
])("[N14] %s from %s is src/a.ts", (path, from) => {
  const home = worktreeOf(repository);
  expect(namePath(path, join(repository, from), home)).toEqual({ key: "src/a.ts", worktree: repository });
});

test("[N14] absolute, through a link, not there yet, in a submodule, in the other work tree, outside", () => {
  const home = worktreeOf(repository);
  const name = (path: string): string => {
    const { key, worktree } = namePath(path, repository, home);
    return `${worktree.slice(root.length)} ${key}`;
  };
  expect(name(join(repository, "src/a.ts"))).toBe("/main src/a.ts");
  expect(name(join(root, "link/src/a.ts"))).toBe("/main src/a.ts");
  expect(name("source/new/deep.ts")).toBe("/main src/new/deep.ts");
  expect(name("deps/inner/src/a.ts")).toBe("/main deps/inner/src/a.ts");
  expect(name(join(root, "linked tree/src/a.ts"))).toBe("/linked tree src/a.ts");
  expect(name("/etc/hosts")).toBe("/main /etc/hosts");
  expect(name("../plain/x")).toBe(`/main ${join(root, "plain/x")}`);
});

test("[N14] where the file system folds case, and in either Unicode form, a file has one name", () => {
  const home = { ...worktreeOf(repository), foldsCase: true };
  for (const path of ["SRC/A.ts", "src/a.TS", "Src/a.ts"])
    expect(namePath(path, repository, home).key).toBe("src/a.ts");
  const exact = worktreeOf(repository);
  expect(namePath("cafe\u0301.txt", repository, exact).key).toBe("caf\u00e9.txt");
});

test("what people type becomes paths, folders, globs and resources", () => {
  const home = worktreeOf(repository);
  const isFolder = (path: string): boolean => path === join(repository, "src");
  const name = (text: string, from = "."): string[] =>
    nameTargets(text, join(repository, from), home, isFolder).map(
      ({ target }) => `${target.kind} ${target.key}`,
    );
  expect(name("src/a.ts")).toEqual(["path src/a.ts"]);
  expect(name("src")).toEqual(["directory src"]);
  expect(name("new/")).toEqual(["directory new"]);
  expect(name(".")).toEqual(["directory "]);
  expect(name("*.ts", "src")).toEqual(["glob src/*.ts"]);
  expect(name("source/**/*.ts")).toEqual(["glob src/**/*.ts"]);
  expect(name("src/{a,b}.{ts,js}")).toEqual([
    "path src/a.ts",
    "path src/a.js",
    "path src/b.ts",
    "path src/b.js",
  ]);
  expect(name("port:3000")).toEqual(["resource port:3000"]);
  expect(() => name("")).toThrow(expect.objectContaining({ code: "usage.invalid" }));
  expect(() => name("{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}")).toThrow(
    expect.objectContaining({ code: "usage.invalid" }),
  );
});
