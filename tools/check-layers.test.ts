import { expect, test } from "vitest";
import { checkLayers, listImports } from "./check-layers.ts";
import { makeFixture } from "./make-fixture.ts";

const manifest = (dependencies: Readonly<Record<string, string>>): string => JSON.stringify({ dependencies });
const line = (specifier: string): string => `import { x } from "${specifier}";\n`;

test("allowed imports pass", () => {
  using fixture = makeFixture({
    "package.json": JSON.stringify({ devDependencies: { vitest: "1" } }),
    "packages/protocol/package.json": manifest({ zod: "1" }),
    "packages/protocol/src/index.ts": line("zod") + line("./ids.ts"),
    "packages/store/package.json": manifest({ "@canopy/core": "*" }),
    "packages/store/src/open-storage.ts": line("@canopy/core") + line("node:fs"),
    "packages/store/src/open-storage.test.ts": line("vitest") + line("@canopy/testkit"),
  });
  expect(checkLayers(fixture.root)).toEqual([]);
});

test("every kind of forbidden import is named with its file", () => {
  using fixture = makeFixture({
    "packages/core/package.json": manifest({ "@canopy/store": "*", lodash: "1" }),
    "packages/core/src/room.ts": line("@canopy/store") + line("node:fs") + line("lodash") + line("fs"),
    "packages/store/package.json": manifest({}),
    "packages/store/src/a.ts":
      line("@canopy/core") +
      line("../../core/src/room.ts") +
      line("ws") +
      'const a = await import("sharp");\n',
    "packages/store/src/a.test.ts": line("@canopy/daemon") + line("unheard-of"),
    "packages/new/src/a.ts": "",
  });
  expect(checkLayers(fixture.root)).toEqual([
    "packages/core/package.json: may not depend on @canopy/store",
    "packages/core/package.json: may not depend on lodash",
    "packages/core/src/room.ts: packages/core may not import @canopy/store",
    "packages/core/src/room.ts: packages/core runs without Node, so no node:fs",
    "packages/core/src/room.ts: packages/core may not import lodash",
    "packages/core/src/room.ts: write node:fs",
    "packages/store/src/a.test.ts: tests import packages only, not @canopy/daemon",
    "packages/store/src/a.test.ts: unheard-of is in no package.json",
    "packages/store/src/a.ts: @canopy/core is not in packages/store/package.json",
    "packages/store/src/a.ts: ../../core/src/room.ts leaves the package",
    "packages/store/src/a.ts: ws is not in packages/store/package.json",
    "packages/store/src/a.ts: sharp is not in packages/store/package.json",
    "packages/new/src/a.ts: packages/new is not in the layer table",
  ]);
});

test("what needs Node has an entry point of its own, which the rest does not import", () => {
  using fixture = makeFixture({
    "packages/server/src/node/listen.ts": line("node:http") + line("../create-server.ts"),
    "packages/server/src/create-server.ts": line("./node/listen.ts"),
    "packages/server/src/create-server.test.ts": line("./node/listen.ts"),
  });
  expect(checkLayers(fixture.root)).toEqual([
    "packages/server/src/create-server.ts: ./node/listen.ts would need Node wherever this runs",
  ]);
});

test("names that say nothing, long files and export * are breaches", () => {
  using fixture = makeFixture({
    "packages/core/src/index.ts": 'export * from "./a.ts";\n',
    "packages/core/src/tasks/utils.ts": "",
    "packages/core/src/tasks/index.ts": "",
    "packages/core/src/taskRows.ts": "",
    "packages/core/src/long.ts": "\n".repeat(500) + "x",
    "packages/core/src/long.test.ts": "\n".repeat(1000) + "x",
    "packages/core/src/longest.test.ts": "\n".repeat(999) + "x",
  });
  expect(checkLayers(fixture.root)).toEqual([
    "packages/core/src/index.ts: export names one by one, not with export *",
    "packages/core/src/long.test.ts: 1001 lines, at most 1000",
    "packages/core/src/long.ts: 501 lines, at most 500",
    "packages/core/src/taskRows.ts: file names are kebab-case",
    "packages/core/src/tasks/index.ts: the name 'index' says nothing",
    "packages/core/src/tasks/utils.ts: the name 'utils' says nothing",
  ]);
});

test("imports of every form are found", () => {
  const text = [
    'import a from "one";',
    "import {",
    "  b,",
    '} from "two";',
    'import type { C } from "three";',
    'import "four";',
    'export { d } from "five";',
    'const e = await import("six");',
    'const text = "import x from nothing";',
  ].join("\n");
  expect(listImports(text).toSorted()).toEqual(["five", "four", "one", "six", "three", "two"]);
});
