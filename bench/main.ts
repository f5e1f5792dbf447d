// `npm run bench -- NAME` runs bench/NAME.ts, prints its table and writes it to bench/results/NAME.json.
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BenchResult } from "./bench-result.ts";
import { formatBenchResult } from "./format-bench-result.ts";

const folder = import.meta.dirname;

/** Every file in this folder that can be run, by name. */
function listBenches(): string[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
    .map((file) => file.slice(0, -3))
    .filter(
      (name) =>
        !["main", "bench-result", "event-subscribers", "format-bench-result", "measure"].includes(name),
    )
    .toSorted();
}

async function runBench(name: string): Promise<void> {
  const module = (await import(`./${name}.ts`)) as { readonly run: () => Promise<BenchResult> };
  const result = await module.run();
  process.stdout.write(formatBenchResult(result));
  mkdirSync(join(folder, "results"), { recursive: true });
  const report = { ...result, node: process.version, platform: `${process.platform}-${process.arch}` };
  writeFileSync(join(folder, "results", `${name}.json`), `${JSON.stringify(report, null, 2)}\n`);
}

const names = listBenches();
const [name] = process.argv.slice(2);
if (name === undefined || !names.includes(name) || !existsSync(join(folder, `${name}.ts`))) {
  process.stderr.write(
    `bench: ${name === undefined ? "name one" : `no bench '${name}'`}; there are: ${names.join(", ")}\n`,
  );
  process.exitCode = 2;
} else {
  await runBench(name);
}
