/**
 * What is known of one candidate: validated green, or red twice; red once (`suspect`) and now being tried again (`retrying`);
 * being validated for the first time, or nothing yet.
 */
export type CandidateStatus = "green" | "red" | "suspect" | "retrying" | "running" | "unknown";

/** What is to be done with a stack now. */
export interface StackJudgement {
  /** How many candidates from the front are good: they may land. */
  readonly goodCount: number;
  /** The candidate right behind the good ones broke what they had left green (index from 0), or null. */
  readonly culprit: number | null;
  /** Candidates that were red once, and are to be validated again before anybody is blamed (indices from 0). */
  readonly retries: readonly number[];
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

const RED: ReadonlySet<CandidateStatus> = new Set(["red", "suspect", "retrying"]);

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
 * splitting what is unknown between the last green and the first red. The first red result is tried once more, and so is
 * the one that is about to be blamed; those in between only say where to look. Positions count from 1; 0 is the branch.
 */
export function judgeStack({ statuses, slots }: StackStatus): StackJudgement {
  const count = statuses.length;
  const { good, red } = findBounds(statuses);
  const atWork = statuses.flatMap((status, index) =>
    status === "running" || status === "retrying" ? [index + 1] : [],
  );
  const isConfirmed = statuses.includes("red", Math.max(good, red - 1));
  const isNext = red === good + 1;
  const first = statuses[red - 1];
  const retries = first === "suspect" && (isNext || !isConfirmed) && slots > 0 ? [red - 1] : [];
  const useful = atWork.filter((position) => position > good && position < red);
  const probes = chooseProbes({ good, red, count, running: useful, slots: slots - retries.length });
  const isUseless = (position: number): boolean =>
    !useful.includes(position) && !(position === red && (isNext || !isConfirmed));
  return {
    goodCount: good,
    culprit: isNext && first === "red" ? red - 1 : null,
    retries,
    probes: probes.map((position) => position - 1),
    useless: atWork.filter((position) => isUseless(position)).map((position) => position - 1),
  };
}
