import { readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";

const SKIPPED = new Set([
  "node_modules",
  "dist",
  "dist-do",
  ".cache",
  ".git",
  "results",
  "coverage",
  "fixtures",
]);

/** Every TypeScript file below the given folders of a root, as paths relative to it with `/`, sorted. */
export function listSourceFiles(root: string, folders: readonly string[]): string[] {
  const found: string[] = [];
  const walk = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (SKIPPED.has(entry.name)) continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (/\.(ts|tsx|mts)$/.test(entry.name)) found.push(relative(root, path).replaceAll("\\", "/"));
    }
  };
  for (const folder of folders) {
    const path = join(root, folder);
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) walk(path);
  }
  return found.toSorted();
}

/** True for files that only tests load: `*.test.ts`, exported suites (`describe-*.ts`) and what lies beside them in `contract/`. */
export function isTestFile(path: string): boolean {
  return (
    /\.test\.tsx?$/.test(path) ||
    /\/(contract|test-support)\//.test(path) ||
    /\/describe-[^/]*\.ts$/.test(path)
  );
}
