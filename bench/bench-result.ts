/** What a benchmark found: a table, and what limits or explains it. Durations are milliseconds unless a column says otherwise. */
export interface BenchResult {
  readonly name: string;
  readonly columns: string[];
  readonly rows: (string | number)[][];
  readonly notes: string[];
}

/** The middle of some measurements; of an even number the lower one. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}

/** Milliseconds with a precision that means something: one decimal below 100. */
export function roundMs(value: number): number {
  return value < 100 ? Math.round(value * 10) / 10 : Math.round(value);
}

/** How long some work took. */
export async function timeMs(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
