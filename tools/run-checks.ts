// Runs every check and prints one line for each with its time: format, lint, types, layers, spec, docs, copies, tests.
// `--no-tests` leaves the tests out. Exit code 1 when any of them failed; all are run in any case.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { checkCopies } from "./check-copies.ts";
import { checkDocs } from "./check-docs.ts";
import { checkLayers } from "./check-layers.ts";
import { checkSpec } from "./check-spec.ts";

const root = dirname(import.meta.dirname);

/** What one check found: nothing, or lines that say what is wrong. */
type Check = () => readonly string[];

function runTool(name: string, args: readonly string[]): readonly string[] {
  const result = spawnSync(join(root, "node_modules", ".bin", name), args, { cwd: root, encoding: "utf8" });
  if (result.error !== undefined) return [`cannot run ${name}: ${result.error.message}`];
  return result.status === 0 ? [] : [`${result.stdout}${result.stderr}`.trimEnd()];
}

function runTests(): readonly string[] {
  const script = join(root, "tools", "run-tests.ts");
  const result = spawnSync(process.execPath, [script], { cwd: root, stdio: "inherit" });
  return result.status === 0 ? [] : ["the tests failed; see the lines above"];
}

const checks: (readonly [string, Check])[] = [
  ["format", () => runTool("oxfmt", ["--check", "."])],
  ["lint", () => runTool("oxlint", ["--type-aware"])],
  ["types", () => runTool("tsc", ["-b", "--pretty"])],
  ["layers", () => checkLayers(root)],
  ["spec", () => checkSpec(root)],
  ["docs", () => checkDocs(root)],
  ["copies", () => checkCopies(root)],
];
if (!process.argv.includes("--no-tests")) checks.push(["tests", runTests]);

let failedCount = 0;
for (const [name, check] of checks) {
  const startedAt = performance.now();
  const problems = check();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1).padStart(6);
  if (problems.length > 0) {
    failedCount += 1;
    process.stdout.write(`${problems.join("\n")}\n`);
  }
  process.stdout.write(`${problems.length === 0 ? "ok    " : "FAILED"} ${name.padEnd(8)} ${seconds} s\n`);
}
process.exitCode = failedCount === 0 ? 0 : 1;
