import type { BoardRequestInput } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol/errors";
import { InvalidArgumentError } from "commander";
import { readTextFile } from "../read-text-file.ts";

/** Reads a priority: `0` to `4`, or `P0` to `P4`. */
export function parsePriority(text: string): number {
  const match = /^p?([0-4])$/i.exec(text.trim());
  if (match === null) throw new InvalidArgumentError("expected 0 (critical) to 4 (backlog), or P0 to P4");
  return Number(match[1]);
}

const UNITS_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** Reads a point in time: a date, a date with time, `+6h`, `+1d`, `+2w`, `tomorrow`; an empty text takes one away. */
export function parseWhen(text: string, nowMs: number = Date.now()): string {
  if (text === "") return "";
  const [, amount, unit = ""] = /^\+(\d{1,6})([mhdw])$/.exec(text) ?? [];
  if (amount !== undefined) return new Date(nowMs + Number(amount) * (UNITS_MS[unit] ?? 0)).toISOString();
  if (text === "tomorrow") return new Date(nowMs + 86_400_000).toISOString();
  const value = Date.parse(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text);
  if (Number.isNaN(value))
    throw new InvalidArgumentError("expected 2026-01-31, a time with zone, +6h, +1d or tomorrow");
  return new Date(value).toISOString();
}

/** Reads JSON. */
export function parseJsonArgument(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InvalidArgumentError("expected JSON");
  }
}

type Link = NonNullable<Extract<BoardRequestInput["command"], { type: "issue.create" }>["links"]>[number];

/**
 * Reads one of `--deps`: `ID` and `blocked-by:ID` have the new issue wait for that one; `blocks:ID`, as `bd` means it
 * since 2026, has that one wait for the new issue; other kinds are links of the new issue.
 */
export function parseDependency(text: string): Link {
  const match = /^([a-z]+(?:-[a-z]+)*):(.+)$/.exec(text);
  const [, type, on] = match ?? [];
  if (type === undefined || on === undefined || type === "external" || type === "bd")
    return { on: text, type: "blocks" };
  return { on, type, isBlocking: type === "blocks" };
}

/** The description that was given in one of its ways; undefined when none was. */
export async function readDescription(options: {
  readonly description?: string;
  readonly bodyFile?: string;
  readonly stdin?: boolean;
}): Promise<string | undefined> {
  const { description, bodyFile, stdin } = options;
  const ways = [description, bodyFile, stdin === true ? "-" : undefined].filter((way) => way !== undefined);
  if (ways.length > 1) throw new CanopyError("usage.invalid", "give the description in one way only");
  if (bodyFile !== undefined) return await readTextFile(bodyFile);
  if (stdin === true || description === "-") return await readTextFile("-");
  return description;
}
