/** What is used of vitest's JSON report. */
export interface TestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

/** One run of vitest: its report (undefined when it wrote none) and its exit code. */
export interface TestRun {
  readonly report: TestReport | undefined;
  readonly exitCode: number;
}

/** Counts over several runs. */
export interface TestSummary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

function countFailures({ report, exitCode }: TestRun): number {
  if (report === undefined) return 1;
  // A file that cannot even be loaded has no test to fail, and an unhandled error belongs to none.
  const brokenFiles = report.testResults.filter(
    (file) => file.status === "failed" && file.assertionResults.every((result) => result.status !== "failed"),
  ).length;
  const failed = report.numFailedTests + brokenFiles;
  return failed === 0 && exitCode !== 0 ? 1 : failed;
}

/** Adds up runs. A run without a report, a file that does not load and a bad exit code without a failed test count as failures. */
export function summarizeReports(runs: readonly TestRun[]): TestSummary {
  const sum = (count: (run: TestRun) => number): number => runs.reduce((total, run) => total + count(run), 0);
  return {
    passed: sum(({ report }) => report?.numPassedTests ?? 0),
    failed: sum(countFailures),
    skipped: sum(({ report }) => (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0)),
  };
}

/** The last line of a test run: `N passed, N failed`, and `, N skipped` when there are any. */
export function formatSummary({ passed, failed, skipped }: TestSummary): string {
  return `${passed} passed, ${failed} failed${skipped === 0 ? "" : `, ${skipped} skipped`}`;
}
