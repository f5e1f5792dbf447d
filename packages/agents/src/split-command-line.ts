import { CanopyError } from "@canopy/protocol";

/** An escaped character, a quoted part, white space, a plain part, or a quote that is never closed. */
const TOKEN = /\\([\s\S])|'([^']*)'|"((?:\\[\s\S]|[^"\\])*)"|(\s+)|([^\\'"\s]+)|(['"\\])/g;

/**
 * Splits a command line into words at spaces, with single quotes, double quotes and backslashes as a shell reads them,
 * but without expanding anything. Throws `usage.invalid` for a quote that is not closed.
 */
export function splitCommandLine(line: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  for (const [, escaped, single, double, space, plain, stray] of line.matchAll(TOKEN)) {
    if (stray !== undefined) {
      throw new CanopyError("usage.invalid", `the command has a ${stray} that is not closed: ${line}`);
    }
    if (space === undefined) {
      const part = escaped ?? single ?? double?.replaceAll(/\\([\s\S])/g, "$1") ?? plain ?? "";
      word = (word ?? "") + part;
      continue;
    }
    if (word !== null) words.push(word);
    word = null;
  }
  return word === null ? words : [...words, word];
}
