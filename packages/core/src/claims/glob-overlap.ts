/**
 * Whether two globs share a path: exact for literals, `?`, `*`, `**` (as a whole segment) and `[...]`; a class that is
 * negated is taken to share a character with everything, so the answer errs towards an overlap. The product of the two
 * automata, as in Hopcroft, Motwani and Ullman, "Introduction to Automata Theory", section 4.2 (closure under
 * intersection), walked with a table instead of built.
 */
type Token =
  | { readonly type: "char"; readonly char: string }
  | { readonly type: "any" }
  | { readonly type: "star" }
  | {
      readonly type: "class";
      readonly negated: boolean;
      readonly ranges: readonly (readonly [string, string])[];
    };

function readClass(glob: string, start: number): { readonly token: Token; readonly end: number } | null {
  const close = glob.indexOf("]", start + 2);
  if (close === -1) return null;
  const negated = glob[start + 1] === "!" || glob[start + 1] === "^";
  const body = glob.slice(start + (negated ? 2 : 1), close);
  const ranges: [string, string][] = [];
  for (let index = 0; index < body.length; index += 1) {
    const from = body[index] ?? "";
    const isRange = body[index + 1] === "-" && index + 2 < body.length;
    ranges.push([from, isRange ? (body[index + 2] ?? from) : from]);
    if (isRange) index += 2;
  }
  return { token: { type: "class", negated, ranges }, end: close };
}

function tokenize(segment: string): Token[] {
  const tokens: Token[] = [];
  for (let index = 0; index < segment.length; index += 1) {
    const char = segment[index] ?? "";
    const found = char === "[" ? readClass(segment, index) : null;
    if (found !== null) {
      tokens.push(found.token);
      index = found.end;
    } else if (char === "*") {
      if (tokens.at(-1)?.type !== "star") tokens.push({ type: "star" });
    } else if (char === "?") tokens.push({ type: "any" });
    else if (char === "\\" && index + 1 < segment.length) {
      index += 1;
      tokens.push({ type: "char", char: segment[index] ?? "" });
    } else tokens.push({ type: "char", char });
  }
  return tokens;
}

function shareCharacter(a: Token, b: Token): boolean {
  if (a.type === "any" || b.type === "any") return true;
  if (a.type === "char" && b.type === "char") return a.char === b.char;
  if (a.type === "class" && b.type === "class") {
    if (a.negated || b.negated) return true;
    return a.ranges.some(([from, to]) => b.ranges.some(([low, high]) => from <= high && low <= to));
  }
  const [set, other] = a.type === "class" ? [a, b] : [b, a];
  if (set.type !== "class" || other.type !== "char") return true;
  return set.ranges.some(([from, to]) => from <= other.char && other.char <= to) !== set.negated;
}

/** What the items of two lists are to each other: which stand for any number of items, and which two share one. */
interface Alphabet<T> {
  readonly isLoop: (item: T) => boolean;
  readonly share: (left: T, right: T) => boolean;
}

/** Whether two lists share a word. */
function shareWord<T>(a: readonly T[], b: readonly T[], { isLoop, share }: Alphabet<T>): boolean {
  const width = b.length + 1;
  // Whether a[i..] and b[j..] share a word, at i * width + j, from the ends backwards.
  const table = new Uint8Array((a.length + 1) * width);
  const at = (i: number, j: number): boolean => i <= a.length && j <= b.length && table[i * width + j] === 1;
  const judge = (i: number, j: number): boolean => {
    const left = a[i];
    const right = b[j];
    if (left === undefined && right === undefined) return true;
    // A loop ends, or takes one more item of the other list: both are one step along one of them.
    if ((left !== undefined && isLoop(left)) || (right !== undefined && isLoop(right)))
      return (left !== undefined && at(i + 1, j)) || (right !== undefined && at(i, j + 1));
    return left !== undefined && right !== undefined && share(left, right) && at(i + 1, j + 1);
  };
  for (let i = a.length; i >= 0; i -= 1) {
    for (let j = b.length; j >= 0; j -= 1) table[i * width + j] = judge(i, j) ? 1 : 0;
  }
  return at(0, 0);
}

const CHARACTERS: Alphabet<Token> = { isLoop: (token) => token.type === "star", share: shareCharacter };
const SEGMENTS: Alphabet<string> = { isLoop: (segment) => segment === "**", share: segmentsOverlap };

function segmentsOverlap(a: string, b: string): boolean {
  return shareWord(tokenize(a), tokenize(b), CHARACTERS);
}

/** True when some path fits both globs. Segments are separated by `/`; `**` as a whole segment is any number of them. */
export function globsOverlap(a: string, b: string): boolean {
  return shareWord(a.split("/"), b.split("/"), SEGMENTS);
}

/** Takes the meaning from every character of a path, so that it is a glob that only it fits. */
export function escapeGlob(path: string): string {
  return path.replaceAll(/[\\*?[\]]/g, "\\$&");
}
