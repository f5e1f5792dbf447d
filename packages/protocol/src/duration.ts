import { z } from "zod";

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** Reads `90s`, `10m`, `1h30m`, `7d` or `0` as milliseconds; undefined when it is none of them. */
export function parseDurationMs(text: string): number | undefined {
  if (text.trim() === "0") return 0;
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d|w))+$/.test(text.trim())) return undefined;
  let totalMs = 0;
  for (const [, amount = "0", unit = "ms"] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/g)) {
    totalMs += Number(amount) * (DURATION_UNITS[unit] ?? 1);
  }
  return Math.round(totalMs);
}

/** A duration in a configuration file: a text such as `10m`, read as milliseconds. */
export const durationSchema = z.string().transform((text, context) => {
  const ms = parseDurationMs(text);
  if (ms !== undefined) return ms;
  context.addIssue({
    code: "custom",
    message: `'${text}' is not a duration such as "90s", "10m" or "1h30m"`,
  });
  return z.NEVER;
});
