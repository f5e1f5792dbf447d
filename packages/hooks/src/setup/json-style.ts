/** How a file is laid out, so that what goes in looks like what is there. */
export interface JsonStyle {
  readonly eol: string;
  readonly indent: string;
  /** True when everything stands on one line. */
  readonly isCompact: boolean;
}

/** Reads a file's own layout; a new or empty file gets two blanks. */
export function detectJsonStyle(text: string): JsonStyle {
  const eol = text.includes("\r\n") ? "\r\n" : "\n";
  const indent = /^([ \t]+)\S/m.exec(text)?.[1] ?? "  ";
  const body = text.trim();
  return { eol, indent, isCompact: body !== "" && body !== "{}" && !body.includes("\n") };
}

/** A value as it stands at a depth of nesting, its first line without indentation. */
export function printJson(value: unknown, style: JsonStyle, depth: number): string {
  if (style.isCompact) return JSON.stringify(value);
  return JSON.stringify(value, null, style.indent)
    .split("\n")
    .join(style.eol + style.indent.repeat(depth));
}
