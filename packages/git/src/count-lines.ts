/** How often each line that means something is in a text: by its words, whatever the white space. */
export type LineCounts = ReadonlyMap<string, number>;

/** A line without differences of white space; null when it is blank or has punctuation only. */
export function normalizeLine(line: string): string | null {
  if (!/[\p{L}\p{N}_]/u.test(line)) return null;
  return line.trim().replace(/\s+/g, " ");
}

/** Counts the lines of a text that mean something. */
export function countLines(lines: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of lines) {
    const key = normalizeLine(line);
    if (key !== null) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}
