import { readFileSync } from "node:fs";
import { join } from "node:path";
import { blankLiterals } from "./blank-literals.ts";
import { listSourceFiles } from "./list-source-files.ts";

const EXPORTED =
  /^export (?:declare )?(?:abstract )?(?:async )?(?:function\*?|const|let|class|interface|type|enum|namespace) ([A-Za-z_$][\w$]*)/;
const MAX_LINES = 6;

/** Lines of text in the doc comment that ends just above a line, or null when there is none. */
function countDocLines(lines: readonly string[], above: number): number | null {
  let end = above - 1;
  if (!(lines[end] ?? "").trimEnd().endsWith("*/")) return null;
  const last = end;
  while (end >= 0 && !(lines[end] ?? "").trimStart().startsWith("/*")) end -= 1;
  if (!(lines[end] ?? "").trimStart().startsWith("/**")) return null;
  const body = lines.slice(end, last + 1).map((line) =>
    line
      .replace("/**", "")
      .replace("*/", "")
      .replace(/^\s*\*/, "")
      .trim(),
  );
  return body.filter((line) => line !== "").length;
}

/** What is wrong with the doc comments of one file, as `LINE: NAME ...`. */
export function checkDocsOf(text: string): string[] {
  const lines = text.split("\n");
  const code = blankLiterals(text).split("\n");
  const problems: string[] = [];
  let previous = "";
  for (const [index, line] of code.entries()) {
    const name = EXPORTED.exec(line)?.[1];
    if (name === undefined) continue;
    // Further signatures of an overloaded function share the first one's comment.
    if (name === previous) continue;
    previous = name;
    const count = countDocLines(lines, index);
    if (count === null || count === 0) problems.push(`${index + 1}: ${name} has no doc comment`);
    else if (count > MAX_LINES)
      problems.push(`${index + 1}: ${name} has ${count} lines of doc comment, at most ${MAX_LINES}`);
  }
  return problems;
}

/** Every exported symbol without a doc comment of 1 to 6 lines, as `FILE:LINE: NAME ...`; empty when all is well. */
export function checkDocs(root: string): string[] {
  return listSourceFiles(root, ["packages", "apps", "tools", "bench"])
    .filter((file) => !/\.test\.tsx?$/.test(file) && !file.endsWith(".d.ts"))
    .flatMap((file) =>
      checkDocsOf(readFileSync(join(root, file), "utf8")).map((problem) => `${file}:${problem}`),
    );
}
