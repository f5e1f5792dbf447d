import { ERROR_EXIT_CODES, isCanopyError } from "@canopy/protocol/errors";
import { sanitizeLine } from "./output/format.ts";

/**
 * Prints an error in one line (and a hint in a second), on standard error, or as JSON on standard output when the
 * caller asked for JSON. Returns the exit code, which never changes for a code.
 */
export function reportError(error: unknown, isJson: boolean): number {
  const known = isCanopyError(error);
  const code = known ? error.code : "internal";
  const message = error instanceof Error ? error.message : String(error);
  const hint = known ? error.hint : "this is a bug in Canopy; set CANOPY_DEBUG=1 for the details";
  if (isJson) {
    const detail = hint === undefined ? { code, message } : { code, message, hint };
    process.stdout.write(`${JSON.stringify({ version: 1, error: detail }, null, 2)}\n`);
  }
  process.stderr.write(`canopy: ${sanitizeLine(message)}\n`);
  if (hint !== undefined) process.stderr.write(`  ${sanitizeLine(hint)}\n`);
  return ERROR_EXIT_CODES[code];
}
