import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";

const root = dirname(import.meta.dirname);

/** Every README with a TypeScript example that is followed by what it prints. */
function listExamples(): { readonly folder: string; readonly code: string; readonly output: string }[] {
  return ["packages", "apps"]
    .flatMap((base) => readdirSync(join(root, base)).map((name) => join(base, name)))
    .filter((folder) => existsSync(join(root, folder, "README.md")))
    .flatMap((folder) => {
      const text = readFileSync(join(root, folder, "README.md"), "utf8");
      const match = /```ts\n(.*?)```\n\n```text\n(.*?)```/s.exec(text);
      return match === null ? [] : [{ folder, code: match[1] ?? "", output: match[2] ?? "" }];
    });
}

test.each(listExamples())(
  "the example of $folder/README.md prints what it says",
  ({ folder, code, output }) => {
    // Inside the package, so that its imports resolve as they do for a reader.
    const directory = mkdtempSync(join(root, folder, ".readme-"));
    try {
      const file = join(directory, "example.ts");
      writeFileSync(file, code.replaceAll('"./src/', '"../src/'));
      const printed = execFileSync(process.execPath, ["--disable-warning=ExperimentalWarning", file], {
        encoding: "utf8",
      });
      expect(printed).toBe(output);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
);
