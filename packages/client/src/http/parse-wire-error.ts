import { CanopyError, wireErrorSchema } from "@canopy/protocol";

/** Turns an error answer back into the error that the server had; `internal` when it is none of this program's. */
export function parseWireError(status: number, text: string): CanopyError {
  const parsed = wireErrorSchema.safeParse(parseJson(text));
  if (!parsed.success) return new CanopyError("internal", `the daemon answered with status ${status}`);
  const { code, message, hint, data, rejection } = parsed.data.error;
  return new CanopyError(code, message, {
    ...(hint === undefined ? {} : { hint }),
    ...(data === undefined ? {} : { data }),
    retry: rejection === undefined && (status === 429 || status >= 502),
  });
}

/** Parses a text as JSON; undefined when it is none. */
export function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}
