import { CanopyError } from "@canopy/protocol";

/**
 * Splits a command line into words at spaces, with single quotes, double quotes and backslashes as a shell reads them,
 * but without expanding anything. Throws `usage.invalid` for a quote that is not closed.
 */
export function splitCommandLine(line: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quote: string | null = null;
  for (let index = 0; index < line.length; index += 1) {
    const char = line.charAt(index);
    if (char === "\\" && quote !== "'" && index + 1 < line.length) {
      index += 1;
      word = (word ?? "") + line.charAt(index);
    } else if (quote !== null) {
      if (char === quote) quote = null;
      else word = (word ?? "") + char;
    } else if (char === "'" || char === '"') {
      quote = char;
      word ??= "";
    } else if (/\s/.test(char)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      word = (word ?? "") + char;
    }
  }
  if (quote !== null) {
    throw new CanopyError("usage.invalid", `the command has a ${quote} that is not closed: ${line}`);
  }
  if (word !== null) words.push(word);
  return words;
}
