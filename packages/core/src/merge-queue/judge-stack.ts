/**
 * What is known of one candidate: validated green, or red for good; red once, and tried again at the moment (confirming)
 * or not (suspect); being validated for the first time, or nothing yet.
 */
export type CandidateStatus = "green" | "red" | "suspect" | "confirming" | "running" | "unknown";

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

const AT_WORK: ReadonlySet<CandidateStatus> = new Set(["running", "confirming"]);
const RED: ReadonlySet<CandidateStatus> = new Set(["red", "suspect", "confirming"]);

/** Positions from 1 at which the last green candidate is, and the first red one behind it (one past the end for none). */
function findBounds(statuses: readonly CandidateStatus[]): { readonly good: number; readonly red: number } {
  const good = statuses.lastIndexOf("green") + 1;
  const red = statuses.findIndex((status, index) => index >= good && RED.has(status)) + 1;
  return { good, red: red === 0 ? statuses.length + 1 : red };
}

/** Chooses what to validate: the tip while nothing is known to be red, and then the middle of what is widest open. */
function chooseProbes(open: {
  readonly good: number;
  readonly red: number;
  readonly count: number;
  readonly running: readonly number[];
  readonly slots: number;
}): number[] {
  const { good, red, count, slots } = open;
  const taken = [...open.running];
  const probes: number[] = [];
  const end = Math.min(red, count);
  if (red > count && count > good && !taken.includes(count) && slots > 0) {
    probes.push(count);
    taken.push(count);
  }
  while (probes.length < slots) {
    const boundaries = [good, ...taken.filter((position) => position < end), end];
    const next = splitWidest(boundaries.sort((left, right) => left - right));
    if (next === null) break;
    probes.push(next);
    taken.push(next);
  }
  return probes;
}

/**
 * Judges a stack of candidates, each standing on those before it (the algorithm of bors, with several probes at a time):
 * a green one makes all before it good; the tip is tried first, since mostly all is well; a red one is searched for by
 * splitting what is unknown between the last green and the first red. While it is searched for, red once is red enough:
 * only what is to blame in the end is tried once more, since each such try costs a whole validation. Positions count
 * from 1; 0 is the branch itself.
 */
export function judgeStack({ statuses, slots }: StackStatus): StackJudgement {
  const count = statuses.length;
  const { good, red } = findBounds(statuses);
  const atWork = statuses.flatMap((status, index) => (AT_WORK.has(status) ? [index + 1] : []));
  const running = atWork.filter((position) => position > good && position < red);
  // Right behind what is good: to blame, once it was red twice.
  const blamed = red === good + 1 ? statuses[good] : undefined;
  const isConfirmed = blamed === "suspect" && slots > 0;
  const probes = isConfirmed ? [red] : chooseProbes({ good, red, count, running, slots });
  const isUseful = (position: number): boolean =>
    running.includes(position) || (blamed === "confirming" && position === red);
  return {
    goodCount: good,
    culprit: blamed === "red" ? red - 1 : null,
    probes: probes.map((position) => position - 1),
    useless: atWork.filter((position) => !isUseful(position)).map((position) => position - 1),
  };
}
