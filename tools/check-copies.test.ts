import { expect, test } from "vitest";
import { checkCopies } from "./check-copies.ts";
import { makeFixture } from "./make-fixture.ts";

test("a library that a workspace has for itself is a breach; what lies deeper or at the root is not", () => {
  const lock = {
    packages: {
      "": {},
      "node_modules/@a/b": { version: "1.0.0" },
      "node_modules/tool/node_modules/@a/b": { version: "0.9.0" },
      "packages/git": { version: "0.1.0" },
      "packages/git/node_modules/@a/b": { version: "2.0.0" },
      "apps/cli/node_modules/c": { version: "3.0.0" },
    },
  };
  using fixture = makeFixture({ "package-lock.json": JSON.stringify(lock) });
  expect(checkCopies(fixture.root)).toEqual([
    "package-lock.json: packages/git has a copy of @a/b 2.0.0 of its own (the root's: 1.0.0); name @a/b 2.0.0 in the root's devDependencies and run npm dedupe",
    "package-lock.json: apps/cli has a copy of c 3.0.0 of its own (the root's: none); name c 3.0.0 in the root's devDependencies and run npm dedupe",
  ]);
});
