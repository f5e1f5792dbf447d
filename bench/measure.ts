/** Times in milliseconds of many single steps, and what they come to. */
export interface Measured {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** The value below which a share of the values lie. */
export function percentileOf(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

/** Rounds to three significant digits, as a number. */
export function rounded(value: number): number {
  return Number(value.toPrecision(3));
}

/** Runs a step `count` times and measures each. */
export function measureSteps(count: number, step: (index: number) => void): Measured {
  const times: number[] = [];
  const startedAt = performance.now();
  for (let index = 0; index < count; index += 1) {
    const before = performance.now();
    step(index);
    times.push(performance.now() - before);
  }
  const totalMs = performance.now() - startedAt;
  return {
    perSecond: Math.round((count / totalMs) * 1000),
    p50Ms: rounded(percentileOf(times, 0.5)),
    p99Ms: rounded(percentileOf(times, 0.99)),
  };
}
