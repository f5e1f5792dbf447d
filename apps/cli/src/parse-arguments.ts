import { InvalidArgumentError } from "commander";

/** Reads a duration argument such as `10m`; refuses what is none. */
export function parseDurationArgument(text: string): number {
  const match = /^(?:(\d+)(ms|s|m|h|d|w))+$/.test(text);
  const unitsMs: Readonly<Record<string, number>> = {
    ms: 1,
    s: 1000,
    m: 60_000,
    h: 3_600_000,
    d: 86_400_000,
    w: 604_800_000,
  };
  if (!match) throw new InvalidArgumentError("expected a duration such as 90s, 10m, 24h or 7d");
  let totalMs = 0;
  for (const [, amount = "0", unit = "ms"] of text.matchAll(/(\d+)(ms|s|m|h|d|w)/g)) {
    totalMs += Number(amount) * (unitsMs[unit] ?? 1);
  }
  if (totalMs <= 0) throw new InvalidArgumentError("expected more than nothing");
  return totalMs;
}

/** Makes a parser for whole numbers within bounds. */
export function parseWhole(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < minimum || value > maximum || text.trim() === "") {
      throw new InvalidArgumentError(`expected a whole number from ${minimum} to ${maximum}`);
    }
    return value;
  };
}

/** Collects a repeatable option; commas separate values too. */
export function collectList(text: string, earlier: readonly string[] | undefined): string[] {
  const values = text
    .split(",")
    .map((value) => value.trim())
    .filter((value) => value !== "");
  if (values.length === 0) throw new InvalidArgumentError("expected at least one value");
  return [...(earlier ?? []), ...values];
}
