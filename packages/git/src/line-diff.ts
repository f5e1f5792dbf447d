import { diffArrays } from "diff";

/** A run of lines that differs: lines `baseStart` to `baseEnd` (exclusive) of the base became `start` to `end`. */
export interface LineHunk {
  readonly baseStart: number;
  readonly baseEnd: number;
  readonly start: number;
  readonly end: number;
}

const MAX_EDITS = 4000;

/** The lines of a text, without their ends. */
export function splitLines(text: string): string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

/** How one list of lines became another. Lists that are too different to compare in time are one hunk. */
export function diffLines(base: readonly string[], other: readonly string[]): LineHunk[] {
  const changes = diffArrays([...base], [...other], { maxEditLength: MAX_EDITS });
  if (changes === undefined) return [{ baseStart: 0, baseEnd: base.length, start: 0, end: other.length }];
  const hunks: LineHunk[] = [];
  let [baseAt, at] = [0, 0];
  for (const { added, removed, value } of changes) {
    const [baseEnd, end] = [added ? baseAt : baseAt + value.length, removed ? at : at + value.length];
    if (added || removed) {
      // A removal and the addition that follows it are one hunk.
      const last = hunks.at(-1);
      const isSame = last !== undefined && last.baseEnd === baseAt && last.end === at;
      if (isSame) hunks.pop();
      hunks.push({
        baseStart: isSame ? last.baseStart : baseAt,
        baseEnd,
        start: isSame ? last.start : at,
        end,
      });
    }
    [baseAt, at] = [baseEnd, end];
  }
  return hunks;
}

/** True when two runs of base lines overlap or meet: a merge cannot take both without asking. */
export function isTouching(
  left: Pick<LineHunk, "baseStart" | "baseEnd">,
  right: Pick<LineHunk, "baseStart" | "baseEnd">,
): boolean {
  return left.baseStart <= right.baseEnd && right.baseStart <= left.baseEnd;
}
