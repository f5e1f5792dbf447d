/** Keywords after which a slash begins a regular expression and no division. */
const BEFORE_REGEX =
  /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|void|throw|new|delete|await))\s*$/;

interface Cursor {
  readonly text: string;
  position: number;
  code: string;
}

function blankUntil(cursor: Cursor, end: number): void {
  cursor.code += cursor.text.slice(cursor.position, end).replaceAll(/[^\n]/g, " ");
  cursor.position = end;
}

/** Position after a quoted text or a regular expression that begins at `start`. */
function endOfQuoted(text: string, start: number): number {
  const quote = text[start];
  let isInClass = false;
  for (let index = start + 1; index < text.length; index += 1) {
    const char = text[index];
    if (char === "\\") index += 1;
    else if (quote === "/" && char === "[") isInClass = true;
    else if (quote === "/" && char === "]") isInClass = false;
    else if (char === quote && !isInClass) return index + 1;
    else if (char === "\n") return index;
  }
  return text.length;
}

function skipTemplate(cursor: Cursor): void {
  cursor.position += 1;
  cursor.code += " ";
  while (cursor.position < cursor.text.length) {
    const char = cursor.text[cursor.position];
    if (char === "`") {
      blankUntil(cursor, cursor.position + 1);
      return;
    }
    if (char === "\\") blankUntil(cursor, cursor.position + 2);
    else if (cursor.text.startsWith("${", cursor.position)) {
      blankUntil(cursor, cursor.position + 2);
      skipCode(cursor, true);
    } else blankUntil(cursor, cursor.position + 1);
  }
}

function skipLiteral(cursor: Cursor): boolean {
  const { text, position } = cursor;
  const char = text[position];
  if (text.startsWith("//", position)) {
    const end = text.indexOf("\n", position);
    blankUntil(cursor, end === -1 ? text.length : end);
    return true;
  }
  if (text.startsWith("/*", position)) {
    const end = text.indexOf("*/", position + 2);
    blankUntil(cursor, end === -1 ? text.length : end + 2);
    return true;
  }
  if (char === '"' || char === "'" || (char === "/" && BEFORE_REGEX.test(cursor.code.slice(-40)))) {
    blankUntil(cursor, endOfQuoted(text, position));
    return true;
  }
  if (char !== "`") return false;
  skipTemplate(cursor);
  return true;
}

function skipCode(cursor: Cursor, isInTemplate: boolean): void {
  let depth = 0;
  while (cursor.position < cursor.text.length) {
    if (skipLiteral(cursor)) continue;
    const char = cursor.text[cursor.position] ?? "";
    if (char === "{") depth += 1;
    if (char === "}" && depth === 0 && isInTemplate) {
      blankUntil(cursor, cursor.position + 1);
      return;
    }
    if (char === "}") depth -= 1;
    cursor.code += char;
    cursor.position += 1;
  }
}

/**
 * Replaces comments, strings, templates and regular expressions with spaces; lines stay where they are. So a search for
 * code finds code only. TypeScript 7 has no stable parser to ask, and this needs to know no more than where text ends.
 */
export function blankLiterals(text: string): string {
  const cursor: Cursor = { text, position: 0, code: "" };
  skipCode(cursor, false);
  return cursor.code;
}
