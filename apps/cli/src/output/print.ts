import type { Json } from "@canopy/protocol";
import { sanitizeLine } from "./format.ts";

/** Version of the shapes that `--json` prints; raised when a field is removed or changes its meaning. */
export const JSON_SHAPE_VERSION = 1;

/** Prints one JSON document with the version of its shape. A `version` of the value's own needs another name. */
export function printJson(value: object): void {
  const text = JSON.stringify({ version: JSON_SHAPE_VERSION, ...value }, null, 2);
  // JSON leaves these as they are, and some terminals obey them.
  // oxlint-disable-next-line no-control-regex
  const safe = text.replaceAll(/[\u007f-\u009f]/g, (code) => `\\u00${code.charCodeAt(0).toString(16)}`);
  process.stdout.write(`${safe}\n`);
}

/** Prints lines for people. */
export function printText(text: string): void {
  process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
}

/** Prints a remark for people that is no part of the result. */
export function printNote(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Prints what the daemon could not make sure of, as remarks. */
export function printNotices(answer: unknown): void {
  const notices: unknown =
    typeof answer === "object" && answer !== null ? Reflect.get(answer, "notices") : [];
  if (!Array.isArray(notices)) return;
  for (const notice of notices) printNote(`canopy: ${sanitizeLine(String(notice))}`);
}

/** A value for `--json`, typed as plain JSON. */
export function asJson(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}
