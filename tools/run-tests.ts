// Runs the test projects (unit and do together, then e2e by itself, then e2e-agents) and ends with one line `N passed, N failed`.
// `--fast` runs unit only; every other argument is handed to vitest (file filters, -t NAME).
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestReport, TestRun } from "./summarize-reports.ts";
import { formatSummary, summarizeReports } from "./summarize-reports.ts";

const root = dirname(import.meta.dirname);
const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
const args = process.argv.slice(2);
const isFast = args.includes("--fast");
const passedOn = args.filter((argument) => argument !== "--fast");
// Tests of real processes have time-outs to keep, so they do not share the machine with the rest.
const groups = isFast
  ? [["unit"]]
  : [
      ["unit", "do"],
      ["e2e", "e2e-agents"],
    ];

function readReport(path: string): TestReport | undefined {
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as TestReport) : undefined;
}

async function runGroup(projects: readonly string[], reportPath: string): Promise<TestRun> {
  const child = spawn(
    process.execPath,
    [
      vitest,
      "run",
      ...projects.flatMap((project) => ["--project", project]),
      "--passWithNoTests",
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${reportPath}`,
      ...passedOn,
    ],
    { cwd: root, stdio: ["ignore", "inherit", "inherit"] },
  );
  const [exitCode] = (await once(child, "exit")) as [number | null];
  return { report: readReport(reportPath), exitCode: exitCode ?? 1 };
}

const folder = mkdtempSync(join(tmpdir(), "canopy-tests-"));
try {
  const runs: TestRun[] = [];
  for (const tool of isFast ? [] : ["install-agents.ts", "install-engine.ts"])
    spawnSync(process.execPath, [join(root, "tools", tool)], { stdio: "inherit" });
  for (const [index, projects] of groups.entries()) {
    runs.push(await runGroup(projects, join(folder, `report-${index}.json`)));
  }
  const summary = summarizeReports(runs);
  process.stdout.write(`${formatSummary(summary)}\n`);
  process.exitCode = summary.failed > 0 || summary.passed === 0 ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true });
}
