/** What is known of one candidate: validated green or red for good, being validated, or nothing yet. */
export type CandidateStatus = "green" | "red" | "running" | "unknown";

/** What is to be done with a stack now. */
export interface StackJudgement {
  /** How many candidates from the front are good: they may land. */
  readonly goodCount: number;
  /** The candidate right behind the good ones broke what they had left green (index from 0), or null. */
  readonly culprit: number | null;
  /** Candidates to validate now, most useful first (indices from 0). */
  readonly probes: readonly number[];
  /** Candidates whose validation can tell nothing new any more. */
  readonly useless: readonly number[];
}

/** What judgeStack needs. `slots` is how many more validations may start. */
export interface StackStatus {
  readonly statuses: readonly CandidateStatus[];
  readonly slots: number;
}

/** Where the widest stretch of unknown candidates is split in the middle, given what is being validated already. */
function splitWidest(boundaries: readonly number[]): number | null {
  let best: number | null = null;
  let widest = 1;
  for (let index = 1; index < boundaries.length; index += 1) {
    const from = boundaries[index - 1] ?? 0;
    const to = boundaries[index] ?? 0;
    if (to - from <= widest) continue;
    widest = to - from;
    best = Math.floor((from + to) / 2);
  }
  return best;
}

/**
 * Judges a stack of candidates, each standing on those before it (the algorithm of bors, with several probes at a time):
 * a green one makes all before it good; the tip is tried first, since mostly all is well; a red one is searched for by
 * splitting what is unknown between the last green and the first red. Positions count from 1; 0 is the branch itself.
 */
export function judgeStack({ statuses, slots }: StackStatus): StackJudgement {
  const count = statuses.length;
  const at = (position: number): CandidateStatus => statuses[position - 1] ?? "unknown";
  let good = 0;
  for (let position = count; position > 0 && good === 0; position -= 1) {
    if (at(position) === "green") good = position;
  }
  let red = count + 1;
  for (let position = good + 1; position <= count && red > count; position += 1) {
    if (at(position) === "red") red = position;
  }
  const running: number[] = [];
  const useless: number[] = [];
  for (let position = 1; position <= count; position += 1) {
    if (at(position) !== "running") continue;
    if (position > good && position < red) running.push(position);
    else useless.push(position - 1);
  }
  const probes: number[] = [];
  const isTipOpen = red > count && count > good && !running.includes(count);
  if (isTipOpen && slots > 0) {
    probes.push(count);
    running.push(count);
  }
  while (probes.length < slots) {
    const end = red > count ? count : red;
    const next = splitWidest(
      [good, ...running.filter((position) => position < end), end].sort((a, b) => a - b),
    );
    if (next === null) break;
    probes.push(next);
    running.push(next);
  }
  return {
    goodCount: good,
    culprit: red === good + 1 && red <= count ? red - 1 : null,
    probes: probes.map((position) => position - 1),
    useless,
  };
}
