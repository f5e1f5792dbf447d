import type { Json } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol/errors";

type Item = Record<string, Json>;

/** What a file of issues holds. `otherCount`: lines that are no issues, such as a tracker's memories. */
export interface IssueLines {
  readonly issues: readonly Item[];
  readonly otherCount: number;
}

function isItem(value: unknown): value is Item {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseWhole(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function parseLine(line: string, where: string): Item {
  if (/^(?:<{7}|={7}|>{7})/.test(line))
    throw new CanopyError("usage.invalid", `${where}: a merge conflict`, { hint: "resolve it first" });
  const value = parseWhole(line);
  if (!isItem(value)) throw new CanopyError("usage.invalid", `${where}: not a JSON object`);
  return value;
}

/** Reads issues: JSON Lines as `bd export` writes them, or a JSON array of them. Throws `usage.invalid` with the line. */
export function parseIssueLines(text: string, file: string): IssueLines {
  const clean = text.replace(/^\uFEFF/, "");
  const whole = clean.trimStart().startsWith("[") ? parseWhole(clean) : undefined;
  const items = Array.isArray(whole)
    ? whole.map((value: unknown, index) => parseLine(JSON.stringify(value), `${file}: item ${index + 1}`))
    : clean
        .split("\n")
        .flatMap((line, index) => (line.trim() === "" ? [] : [parseLine(line, `${file}:${index + 1}`)]));
  const issues = items.filter((item) => item["_type"] === undefined || item["_type"] === "issue");
  return { issues, otherCount: items.length - issues.length };
}
