import type { Validation } from "@canopy/protocol";

/** What the search found: how many candidates from the front may land, and what the next one broke. */
export interface GoodPrefix {
  readonly count: number;
  /** Null when all are good. */
  readonly red: Validation | null;
  /** The base itself is red: no candidate is to blame. */
  readonly isBaseRed: boolean;
}

/**
 * Finds how many of a stack's candidates, from the front, are good, when each stands on those before it (the algorithm of
 * bors): the tip first, since mostly all is well; else by halves between a known good and a known red one. `validate(0)`
 * is the base, asked only when the very first candidate is red. Needs at most 2 + log2(n) validations.
 */
export async function findGoodPrefix(
  candidateCount: number,
  validate: (count: number) => Promise<Validation>,
): Promise<GoodPrefix> {
  const tip = await validate(candidateCount);
  if (tip.state === "passed") return { count: candidateCount, red: null, isBaseRed: false };
  let good = 0;
  let bad = candidateCount;
  let red = tip;
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    const validation = await validate(middle);
    if (validation.state === "passed") good = middle;
    else {
      bad = middle;
      red = validation;
    }
  }
  if (good > 0) return { count: good, red, isBaseRed: false };
  const base = await validate(0);
  return base.state === "passed"
    ? { count: 0, red, isBaseRed: false }
    : { count: 0, red: base, isBaseRed: true };
}
