import { normalizeLine } from "./count-lines.ts";
import { diffLines, isTouching } from "./line-diff.ts";
import type { LineHunk } from "./line-diff.ts";

/** Four versions of a text, as lines. */
export interface TextVersions {
  readonly base: readonly string[];
  readonly tip: readonly string[];
  readonly change: readonly string[];
  readonly candidate: readonly string[];
}

/** What the change itself did where others' lines were lost: see `LostLines`. */
export interface Contest {
  readonly isContested: boolean;
  readonly isVerbatimTheirs: boolean;
}

interface Region {
  readonly baseStart: number;
  readonly baseEnd: number;
}

function addedLines(hunks: readonly LineHunk[], lines: readonly string[]): string[] {
  return hunks.flatMap((hunk) => lines.slice(hunk.start, hunk.end));
}

/** The run of base lines around a hunk in which both sides' hunks touch each other. */
function growRegion(start: Region, hunks: readonly LineHunk[]): Region {
  let region = start;
  for (;;) {
    const touching = hunks.filter((hunk) => isTouching(hunk, region));
    const baseStart = Math.min(region.baseStart, ...touching.map((hunk) => hunk.baseStart));
    const baseEnd = Math.max(region.baseEnd, ...touching.map((hunk) => hunk.baseEnd));
    if (baseStart === region.baseStart && baseEnd === region.baseEnd) return region;
    region = { baseStart, baseEnd };
  }
}

/** What one side made of a region of the base. */
function sideOf(region: Region, hunks: readonly LineHunk[], lines: readonly string[]): readonly string[] {
  const shift = (isBefore: (hunk: LineHunk) => boolean): number =>
    hunks
      .filter(isBefore)
      .reduce((sum, hunk) => sum + (hunk.end - hunk.start) - (hunk.baseEnd - hunk.baseStart), 0);
  const start = region.baseStart + shift((hunk) => hunk.baseEnd < region.baseStart);
  const end = region.baseEnd + shift((hunk) => hunk.baseStart <= region.baseEnd);
  return lines.slice(start, end);
}

function hasBlock(lines: readonly string[], block: readonly string[]): boolean {
  if (block.length === 0) return true;
  for (let at = lines.indexOf(block[0] ?? ""); at >= 0; at = lines.indexOf(block[0] ?? "", at + 1)) {
    if (block.every((line, index) => lines[at + index] === line)) return true;
  }
  return false;
}

/** Judges lost lines (normalised) of a text: whether the change had touched the same place, and took its side whole. */
export function judgeContest(versions: TextVersions, lost: ReadonlySet<string>): Contest {
  const { base, tip, change, candidate } = versions;
  const ours = diffLines(base, tip);
  const theirs = diffLines(base, change);
  const hasLost = (line: string): boolean => lost.has(normalizeLine(line) ?? "");
  const lostHunks = ours.filter((hunk) => tip.slice(hunk.start, hunk.end).some(hasLost));
  const contested = lostHunks.filter((hunk) => theirs.some((other) => isTouching(hunk, other)));
  if (contested.length === 0) return { isContested: false, isVerbatimTheirs: false };
  const standing = new Set(candidate.map(normalizeLine));
  const isVerbatimTheirs = contested.every((hunk) => {
    const region = growRegion(hunk, [...ours, ...theirs]);
    const block = sideOf(region, theirs, change);
    const own = new Set(block.map(normalizeLine));
    const inRegion = ours.filter((other) => isTouching(other, region));
    const gone = addedLines(inRegion, tip)
      .map(normalizeLine)
      .filter((line) => line !== null && !own.has(line));
    return hasBlock(candidate, block) && gone.every((line) => !standing.has(line));
  });
  return { isContested: true, isVerbatimTheirs };
}
