import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fillErrorDocs } from "./update-error-docs.ts";

test("docs/errors.md lists every code as the program has it (mend with: node tools/update-error-docs.ts)", () => {
  const text = readFileSync(new URL("../docs/errors.md", import.meta.url), "utf8");
  expect(text).toBe(fillErrorDocs(text));
});
