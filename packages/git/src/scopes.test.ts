import { expect, test } from "vitest";
import { readWorkspacePackages } from "./read-workspace-packages.ts";
import { restrictTree } from "./restrict-tree.ts";
import { scopesOf } from "./scopes.ts";
import { createTemporaryRepository } from "./temporary-repository.ts";

const RULES = [
  { name: "web", paths: ["apps/web/**"] },
  { name: "api", paths: ["apps/api/**", "proto/*.proto"] },
  { name: "apps", paths: ["apps/**"] },
];

test("paths are in scopes, in several, or in none", () => {
  expect(scopesOf(["apps/web/src/a.ts", "apps/web/.env.example"], RULES)).toEqual(["apps", "web"]);
  expect(scopesOf(["proto/x.proto"], RULES)).toEqual(["api"]);
  expect(scopesOf(["proto/deep/x.proto"], RULES)).toBeNull();
  expect(scopesOf(["apps/web/a", "README.md"], RULES)).toBeNull();
  expect(scopesOf([], RULES)).toEqual([]);
  expect(scopesOf(["a"], [])).toBeNull();
});

test("a restricted tree is the tree without the dropped paths", async () => {
  await using fixture = await createTemporaryRepository();
  const { repository } = fixture;
  const files = { "apps/web/a": "1", "apps/web/b/c": "2", "apps/api/a": "3", "proto/x.proto": "4", top: "5" };
  await fixture.write(files);
  await fixture.commitAll("all");
  const all = await fixture.git(["rev-parse", "HEAD^{tree}"]);
  const without = async (paths: string[]): Promise<string> => {
    await fixture.git(["reset", "-q", "--hard"]);
    if (paths.length > 0) await fixture.git(["rm", "-rq", ...paths]);
    return await fixture.git(["write-tree"]);
  };
  const objects = await fixture.git(["count-objects"]);
  const expected: [string[], string[]][] = [
    [["apps/web/**"], ["apps/web"]],
    [["apps/**"], ["apps"]],
    [
      ["apps/*/a", "**/*.proto"],
      ["apps/web/a", "apps/api/a", "proto"],
    ],
    [["top"], ["top"]],
    [["to*"], ["top"]],
    [["nothing/**"], []],
    [["{proto,apps/api}/**"], ["proto", "apps/api"]],
    [["!apps/**"], ["proto", "top"]],
    [[], []],
    [["**"], ["apps", "proto", "top"]],
  ];
  const restricted = [];
  for (const [globs] of expected) restricted.push(await restrictTree(repository, all, globs));
  expect(await fixture.git(["count-objects"])).toBe(objects);
  const wanted = [];
  for (const [, paths] of expected) wanted.push(await without(paths));
  expect(restricted).toEqual(wanted);
});

test("trees that differ in dropped paths only are the same when restricted", async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.write({ "web/a": "1", "api/a": "1" });
  await fixture.commitAll("first");
  const first = await fixture.git(["rev-parse", "HEAD^{tree}"]);
  await fixture.write({ "web/a": "2", "web/new": "2" });
  await fixture.commitAll("second");
  const second = await fixture.git(["rev-parse", "HEAD^{tree}"]);
  const of = (tree: string, glob: string): Promise<string> => restrictTree(fixture.repository, tree, [glob]);
  expect(await of(first, "web/**")).toBe(await of(second, "web/**"));
  expect(await of(first, "api/**")).not.toBe(await of(second, "api/**"));
});

test("npm, pnpm, Cargo and Go workspaces are read as scopes", async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.write({
    "package.json": JSON.stringify({
      workspaces: { packages: ["./packages/*", "tools/one/", "!packages/old"] },
    }),
    "packages/a/package.json": '{"name": "@x/a"}',
    "packages/b/package.json": "{",
    "packages/old/package.json": "{}",
    "packages/a/deep/package.json": "{}",
    "packages/none/readme": "",
    "tools/one/package.json": '{"name": "one"}',
    "Cargo.toml": '[workspace]\nmembers = ["crates/*"]\nexclude = ["crates/skip"]\n',
    "crates/core/Cargo.toml": '[package]\nname = "core"\n',
    "crates/skip/Cargo.toml": '[package]\nname = "skip"\n',
    "go.work": 'go 1.22\n\nuse ./svc/auth // here\nuse (\n\t./svc/mail\n\t"./svc/gone"\n)\n',
    "svc/auth/go.mod": "module example.test/auth\n",
    "svc/mail/go.mod": "module example.test/mail\n",
  });
  const commit = await fixture.commitAll("npm");
  expect(await readWorkspacePackages(fixture.repository, commit)).toEqual([
    { name: "@x/a", paths: ["packages/a/**"] },
    { name: "core", paths: ["crates/core/**"] },
    { name: "example.test/auth", paths: ["svc/auth/**"] },
    { name: "example.test/mail", paths: ["svc/mail/**"] },
    { name: "one", paths: ["tools/one/**"] },
    { name: "packages/b", paths: ["packages/b/**"] },
  ]);
  await fixture.write({
    "pnpm-workspace.yaml": "packages:\n  - 'packages/**'\n  - '!**/deep/**'\n",
    "go.work": "",
  });
  const pnpm = await fixture.commitAll("pnpm");
  expect((await readWorkspacePackages(fixture.repository, pnpm)).map((rule) => rule.paths[0])).toEqual([
    "packages/a/**",
    "crates/core/**",
    "packages/b/**",
    "packages/old/**",
  ]);
});

test("a repository without workspaces, or with broken manifests, has no packages", async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.write({ "package.json": "not json", "Cargo.toml": "= =", "pnpm-workspace.yaml": "a: [" });
  const commit = await fixture.commitAll("broken");
  expect(await readWorkspacePackages(fixture.repository, commit)).toEqual([]);
});
