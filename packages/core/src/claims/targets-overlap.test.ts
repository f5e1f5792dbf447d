import type { Target } from "@canopy/protocol";
import { expect, test } from "vitest";
import { assert as check, array, constantFrom, property, tuple } from "fast-check";
import { matchesGlob } from "node:path";
import { globsOverlap } from "./glob-overlap.ts";
import { listParents, targetCovers, targetsOverlap } from "./targets-overlap.ts";

function target(text: string): Target {
  if (text.includes(":")) return { kind: "resource", key: text, label: text };
  if (/[*?[]/.test(text)) return { kind: "glob", key: text, label: text };
  if (text.endsWith("/")) return { kind: "directory", key: text.slice(0, -1), label: text };
  return { kind: "path", key: text, label: text };
}

test.each([
  ["src/a.ts", "src/a.ts", true],
  ["src/a.ts", "src/a.tsx", false],
  ["src/", "src/a.ts", true],
  ["src/", "srcs/a.ts", false],
  ["src/", "src/lib/", true],
  ["src/lib/", "src/", true],
  ["src/a/", "src/b/", false],
  ["/", "src/a.ts", true],
  ["src/*.ts", "src/a.ts", true],
  ["src/*.ts", "src/lib/a.ts", false],
  ["src/**/*.ts", "src/lib/deep/a.ts", true],
  ["src/**", "src/", true],
  ["src/*.ts", "src/*.tsx", false],
  ["src/a*", "src/*b", true],
  ["src/a*", "src/b*", false],
  ["**/*.md", "docs/**", true],
  ["src/[ab].ts", "src/[bc].ts", true],
  ["src/[ab].ts", "src/[cd].ts", false],
  ["src/[!ab].ts", "src/a.ts", false],
  ["src/?.ts", "src/ab.ts", false],
  ["*/x/*", "a/*/b", true],
  ["port:3000", "port:3000", true],
  ["port:3000", "port:3001", false],
  ["port:3000", "**", false],
])("[CL2] %s and %s have something in common: %s", (a, b, expected) => {
  expect(targetsOverlap(target(a), target(b))).toBe(expected);
  expect(targetsOverlap(target(b), target(a))).toBe(expected);
});

const WORDS = constantFrom("a", "b", "ab", "ba", "aab");
const PATTERNS = constantFrom("a", "b", "*", "a*", "*b", "?", "?b", "[ab]", "[!a]b", "a?*", "**");

test("[CL2] two globs that fit one path are never called apart, whatever the globs and the path", () => {
  check(
    property(
      tuple(
        array(PATTERNS, { minLength: 1, maxLength: 4 }),
        array(PATTERNS, { minLength: 1, maxLength: 4 }),
        array(WORDS, { minLength: 1, maxLength: 4 }),
      ),
      ([left, right, words]) => {
        const path = words.join("/");
        const [a, b] = [left.join("/"), right.join("/")];
        const isFit = matchesGlob(path, a) && matchesGlob(path, b);
        return !isFit || globsOverlap(a, b);
      },
    ),
    { numRuns: 5000 },
  );
});

test("[CL2] a glob and a path overlap just when the path fits the glob", () => {
  check(
    property(
      tuple(
        array(
          PATTERNS.filter((pattern) => pattern !== "**"),
          { minLength: 1, maxLength: 4 },
        ),
        array(WORDS, { minLength: 1, maxLength: 4 }),
      ),
      ([pattern, words]) => {
        const [glob, path] = [pattern.join("/"), words.join("/")];
        const found = targetsOverlap(
          { kind: "glob", key: glob, label: glob },
          { kind: "path", key: path, label: path },
        );
        return found === matchesGlob(path, glob);
      },
    ),
    { numRuns: 5000 },
  );
});

test.each([
  ["src/", "src/a.ts", true],
  ["src/", "src/**", false],
  ["src/*.ts", "src/a.ts", true],
  ["src/*.ts", "src/", false],
  ["src/a.ts", "src/a.ts", true],
  ["src/a.ts", "src/", false],
])("%s covers %s: %s", (outer, inner, expected) => {
  expect(targetCovers(target(outer), target(inner))).toBe(expected);
});

test("parents are listed from near to far, up to the root", () => {
  expect(listParents("a/b/c")).toEqual(["a/b", "a", ""]);
  expect(listParents("a")).toEqual([""]);
  expect(listParents("/etc/hosts")).toEqual(["/etc", "/"]);
});
