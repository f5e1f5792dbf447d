import type { BenchResult } from "./bench-result.ts";

/** The table for people: aligned columns, numbers to the right, notes below. Ends with a line break. */
export function formatBenchResult(result: BenchResult): string {
  const cells = [result.columns, ...result.rows.map((row) => row.map(String))];
  const widths = result.columns.map((_, column) =>
    Math.max(...cells.map((row) => (row[column] ?? "").length)),
  );
  const lines = cells.map((row, index) =>
    row
      .map((cell, column) => {
        const isNumber = index > 0 && typeof result.rows[index - 1]?.[column] === "number";
        return isNumber ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0);
      })
      .join("  ")
      .trimEnd(),
  );
  const [head = "", ...body] = lines;
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  const notes = result.notes.map((note) => `* ${note}`);
  return [`# ${result.name}`, "", head, rule, ...body, "", ...notes, ""].join("\n");
}
