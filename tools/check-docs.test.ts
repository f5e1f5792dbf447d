import { expect, test } from "vitest";
import { blankLiterals } from "./blank-literals.ts";
import { checkDocsOf } from "./check-docs.ts";

test("exports of every kind need a doc comment of one to six lines", () => {
  const text = [
    "/** Said. */",
    "export const a = 1;",
    "export const b = 2;",
    "// not a doc comment",
    "export function c(): void {}",
    "/**",
    " * One.",
    " *",
    " * Two.",
    " */",
    "export async function d(): Promise<void> {}",
    "/** */",
    "export class E {}",
    "/**",
    ...Array.from({ length: 7 }, (_, index) => ` * ${index}`),
    " */",
    "export interface F {}",
    "export type G = string;",
    "/** Overloaded. */",
    "export function h(x: string): void;",
    "export function h(x: number): void;",
    "const inner = 1;",
    "export { inner };",
  ].join("\n");
  expect(checkDocsOf(text)).toEqual([
    "3: b has no doc comment",
    "5: c has no doc comment",
    "13: E has no doc comment",
    "23: F has 7 lines of doc comment, at most 6",
    "24: G has no doc comment",
  ]);
});

test("what looks like an export inside a text or a comment is none", () => {
  const text = [
    "const t = `",
    "export const a = ${x ? `",
    "export const b = 1;",
    "` : 0};",
    "`;",
    "/*",
    "export const c = 1;",
    "*/",
  ];
  expect(checkDocsOf(text.join("\n"))).toEqual([]);
  expect(checkDocsOf('const quote = /["`]/;\nexport const d = 1;\n')).toEqual(["2: d has no doc comment"]);
});

test("blanking keeps code and line numbers", () => {
  expect(blankLiterals('a("x//y") / b; // c\n`${d + "}"}e` + f')).toBe(
    "a(      ) / b;     \n   d +        + f",
  );
});
