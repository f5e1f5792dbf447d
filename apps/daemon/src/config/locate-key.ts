/**
 * Finds the line (from 1) of a TOML file on which a key path stands, or the line of the nearest table above it, or 1.
 * A scan over table headers and keys is enough: it serves error messages only.
 */
export function locateKey(text: string, path: readonly PropertyKey[]): number {
  const wanted = path.map(String);
  let table: readonly string[] = [];
  let best = { line: 1, depth: 0 };
  for (const [index, rawLine] of text.split("\n").entries()) {
    const line = rawLine.trim();
    const header = /^\[\[?\s*([^\]]+?)\s*\]\]?/.exec(line)?.[1];
    let here: readonly string[] | undefined;
    if (header !== undefined) {
      table = splitKey(header);
      here = table;
    } else {
      const key = /^([A-Za-z0-9_."' -]+?)\s*=/.exec(line)?.[1];
      if (key !== undefined) here = [...table, ...splitKey(key)];
    }
    if (here === undefined) continue;
    const depth = here.every((part, position) => wanted[position] === part) ? here.length : 0;
    if (depth > best.depth) best = { line: index + 1, depth };
  }
  return best.line;
}

function splitKey(key: string): string[] {
  return key.split(".").map((part) => part.trim().replaceAll(/^["']|["']$/g, ""));
}
