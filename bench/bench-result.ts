/** What a benchmark measured: a table, and in words what to know about it. */
export interface BenchResult {
  readonly name: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
  readonly notes: readonly string[];
}
