/** Version of the shapes that `canopy bd --json` prints. */
export const BD_SCHEMA_VERSION = 1;

function isEnveloped(): boolean {
  return process.env["BD_JSON_ENVELOPE"] === "1";
}

function encode(value: unknown): string {
  // JSON leaves these as they are, and some terminals obey them.
  // oxlint-disable-next-line no-control-regex
  return JSON.stringify(value, null, 2).replaceAll(
    /[\u007f-\u009f]/g,
    (code) => `\\u00${code.charCodeAt(0).toString(16)}`,
  );
}

/** Prints what `bd --json` would: bare, or in an envelope when `BD_JSON_ENVELOPE=1`. */
export function printBdJson(value: unknown): void {
  const shown = isEnveloped() ? { schema_version: BD_SCHEMA_VERSION, data: value } : value;
  process.stdout.write(`${encode(shown)}\n`);
}

/** Prints an error as `bd` does: on standard error, as JSON when it was asked for. Every error ends with 1. */
export function reportBdError(error: unknown, isJson: boolean): number {
  const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
  const hint: unknown = error instanceof Error ? Reflect.get(error, "hint") : undefined;
  const message = error instanceof Error ? error.message : String(error);
  if (isJson) {
    const detail = {
      error: message,
      code: typeof code === "string" ? code : "internal",
      ...(typeof hint === "string" ? { hint } : {}),
      schema_version: BD_SCHEMA_VERSION,
    };
    process.stderr.write(`${encode(detail)}\n`);
  } else {
    process.stderr.write(`Error: ${message}\n${typeof hint === "string" ? `  ${hint}\n` : ""}`);
  }
  return 1;
}
