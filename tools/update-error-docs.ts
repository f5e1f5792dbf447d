import { readFileSync, writeFileSync } from "node:fs";
import { ERROR_EXIT_CODES, REJECTION_ERROR_CODES } from "@canopy/protocol";
import { statusOf } from "@canopy/server";

/** Fills the tables of docs/errors.md from the code that they describe. */
export function fillErrorDocs(text: string): string {
  const errors = Object.entries(ERROR_EXIT_CODES).map(
    ([code, exit]) => `| \`${code}\` | ${exit} | ${statusOf(code as keyof typeof ERROR_EXIT_CODES)} |`,
  );
  const rejections = Object.entries(REJECTION_ERROR_CODES).map(
    ([code, error]) => `| \`${code}\` | \`${error}\` |`,
  );
  return replaceBetween(replaceBetween(text, "errors", errors), "rejections", rejections);
}

function replaceBetween(text: string, name: string, lines: readonly string[]): string {
  const begin = `<!-- ${name}:begin -->\n`;
  const start = text.indexOf(begin) + begin.length;
  const end = text.indexOf(`<!-- ${name}:end -->`);
  return `${text.slice(0, start)}${lines.join("\n")}\n${text.slice(end)}`;
}

if (import.meta.main) {
  const file = new URL("../docs/errors.md", import.meta.url);
  writeFileSync(file, fillErrorDocs(readFileSync(file, "utf8")));
}
