const MAX_RESULTS = 64;

/** Where the members of `{a,b{c,d}}` end: the top-level commas, or null when there is none. */
function splitMembers(inner: string): string[] | null {
  const members: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at < inner.length; at += 1) {
    const char = inner[at];
    if (char === "{") depth += 1;
    else if (char === "}") depth -= 1;
    else if (char === "," && depth === 0) {
      members.push(inner.slice(from, at));
      from = at + 1;
    }
  }
  if (members.length === 0) return null;
  return [...members, inner.slice(from)];
}

function expandRange(inner: string): string[] | null {
  const match = /^(-?\d{1,6})\.\.(-?\d{1,6})$/.exec(inner);
  if (match === null) return null;
  const first = Number(match[1]);
  const last = Number(match[2]);
  const count = Math.abs(last - first) + 1;
  if (count > MAX_RESULTS) return null;
  const step = last < first ? -1 : 1;
  return Array.from({ length: count }, (_, index) => String(first + index * step));
}

/**
 * What one brace expression (`{a,b}`, `{1..3}`) stands for. Null when that cannot be said: quotes, variables or globs inside, or more
 * than 64 results.
 */
export function expandBraces(text: string): string[] | null {
  if (/["'`$\\*?[\]]/.test(text)) return null;
  const inner = text.slice(1, -1);
  const members =
    expandRange(inner) ?? splitMembers(inner)?.flatMap((member) => expandNested(member)) ?? null;
  return members === null || members.length > MAX_RESULTS ? null : members;
}

/** A member that may hold further braces between plain text. */
function expandNested(member: string): string[] {
  const open = member.indexOf("{");
  const close = member.lastIndexOf("}");
  if (open === -1 || close < open) return [member];
  const inside = expandBraces(member.slice(open, close + 1));
  if (inside === null) return [member];
  return inside.map((text) => member.slice(0, open) + text + member.slice(close + 1));
}
