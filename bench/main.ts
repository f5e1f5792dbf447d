// `npm run bench -- NAME` runs bench/NAME.ts, prints its table and writes it to bench/results/NAME.json.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BenchResult } from "./bench-result.ts";
import { formatBenchResult } from "./format-bench-result.ts";

const folder = import.meta.dirname;

/** What can be run; each is a file of that name that exports `run`. */
const BENCHES = ["agents", "daemon", "events", "landing", "rooms", "workspace"];

async function runBench(name: string): Promise<void> {
  const module = (await import(`./${name}.ts`)) as { readonly run: () => Promise<BenchResult> };
  const result = await module.run();
  process.stdout.write(formatBenchResult(result));
  mkdirSync(join(folder, "results"), { recursive: true });
  const report = { ...result, node: process.version, platform: `${process.platform}-${process.arch}` };
  writeFileSync(join(folder, "results", `${name}.json`), `${JSON.stringify(report, null, 2)}\n`);
}

const [name] = process.argv.slice(2);
if (name === undefined || !BENCHES.includes(name)) {
  process.stderr.write(
    `bench: ${name === undefined ? "name one" : `no bench '${name}'`}; there are: ${BENCHES.join(", ")}\n`,
  );
  process.exitCode = 2;
} else {
  await runBench(name);
}
