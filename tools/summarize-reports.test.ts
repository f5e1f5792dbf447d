import { expect, test } from "vitest";
import type { TestReport } from "./summarize-reports.ts";
import { formatSummary, summarizeReports } from "./summarize-reports.ts";

function report(change: Partial<TestReport>): TestReport {
  return {
    numPassedTests: 0,
    numFailedTests: 0,
    numPendingTests: 0,
    numTodoTests: 0,
    testResults: [],
    ...change,
  };
}

test("runs are added up", () => {
  const summary = summarizeReports([
    { report: report({ numPassedTests: 3, numPendingTests: 1 }), exitCode: 0 },
    { report: report({ numPassedTests: 4, numFailedTests: 2, numTodoTests: 1 }), exitCode: 1 },
  ]);
  expect(formatSummary(summary)).toBe("7 passed, 2 failed, 2 skipped");
});

test("a file that does not load, a crash and an unhandled error are failures", () => {
  const broken = { status: "failed", assertionResults: [] };
  const failing = { status: "failed", assertionResults: [{ status: "failed" }] };
  expect(
    [
      { report: report({ testResults: [broken] }), exitCode: 1 },
      { report: report({ numFailedTests: 1, testResults: [failing] }), exitCode: 1 },
      { report: undefined, exitCode: 0 },
      { report: report({ numPassedTests: 5 }), exitCode: 1 },
    ].map((run) => formatSummary(summarizeReports([run]))),
  ).toEqual(["0 passed, 1 failed", "0 passed, 1 failed", "0 passed, 1 failed", "5 passed, 1 failed"]);
});
