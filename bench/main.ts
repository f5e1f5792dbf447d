// `npm run bench -- NAME [ARGS]` runs bench/NAME.ts, prints its table (with `--json` the report instead) and writes it to
// bench/results/NAME.json.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BenchResult } from "./bench-result.ts";
import { formatBenchResult } from "./format-bench-result.ts";

const folder = import.meta.dirname;

/** What can be run; each is a file of that name that exports `run`. */
const BENCHES = [
  "agents",
  "coordination",
  "daemon",
  "events",
  "landing",
  "queue",
  "refs",
  "replay",
  "rooms",
  "sandbox",
  "sandbox-leftovers",
  "workspace",
];

async function runBench(name: string, args: readonly string[]): Promise<void> {
  const module = (await import(`./${name}.ts`)) as {
    readonly run: (args: readonly string[]) => Promise<BenchResult>;
  };
  const result = await module.run(args.filter((arg) => arg !== "--json"));
  const report = { ...result, node: process.version, platform: `${process.platform}-${process.arch}` };
  const json = `${JSON.stringify(report, null, 2)}\n`;
  process.stdout.write(args.includes("--json") ? json : formatBenchResult(result));
  mkdirSync(join(folder, "results"), { recursive: true });
  writeFileSync(join(folder, "results", `${name}.json`), json);
}

const [name, ...rest] = process.argv.slice(2);
if (name === undefined || !BENCHES.includes(name)) {
  process.stderr.write(
    `bench: ${name === undefined ? "name one" : `no bench '${name}'`}; there are: ${BENCHES.join(", ")}\n`,
  );
  process.exitCode = 2;
} else {
  await runBench(name, rest);
}
