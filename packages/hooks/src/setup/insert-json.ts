import type { Node } from "jsonc-parser";
import { findMember, requireType } from "./json-document.ts";
import type { JsonDocument } from "./json-document.ts";
import { detectJsonStyle, printJson } from "./json-style.ts";
import type { JsonStyle } from "./json-style.ts";
import type { TextInsertion } from "./text-insertion.ts";

/** Something that belongs into a JSON file: an element of a list, or a member of an object, with the names that lead there. */
export interface JsonEntry {
  readonly kind: "element" | "member";
  /** For an element the list's, for a member its own, its name last. Lists and objects on the way are made. */
  readonly names: readonly string[];
  readonly value: unknown;
}

/** A value for which a place was made: what is put together at one spot of the file. */
interface Addition {
  readonly parent: Node;
  readonly depth: number;
  readonly text: string;
}

/** Puts entries into a file with insertions only. Throws `config.invalid` where the file has another kind of thing. */
export function insertJson(document: JsonDocument, entries: readonly JsonEntry[]): TextInsertion[] {
  const style = detectJsonStyle(document.text);
  if (document.root === null) {
    const text = printJson(buildTree(entries), style, 0) + style.eol;
    return [{ offset: document.text.length, text }];
  }
  requireType(document, document.root, "object", []);
  const additions = new Map<Node, Addition[]>();
  for (const group of groupEntries(document, entries)) {
    const found = additions.get(group.parent) ?? [];
    additions.set(group.parent, [...found, { ...group, text: printAddition(group, style) }]);
  }
  return [...additions.values()].flatMap((list) => placeAdditions(document, list, style));
}

interface EntryGroup {
  readonly parent: Node;
  readonly depth: number;
  /** The member's name; null for an element of a list. */
  readonly key: string | null;
  readonly value: unknown;
}

/** Entries by the deepest thing that is there already; what is missing below it becomes one value. */
function groupEntries(document: JsonDocument, entries: readonly JsonEntry[]): EntryGroup[] {
  const groups: EntryGroup[] = [];
  const missing = new Map<string, { parent: Node; names: readonly string[]; entries: JsonEntry[] }>();
  for (const entry of entries) {
    const { parent, taken } = descend(document, entry);
    const rest = entry.names.slice(taken);
    if (rest.length === 0) {
      groups.push({ parent, depth: taken + 1, key: null, value: entry.value });
      continue;
    }
    const id = JSON.stringify(entry.names.slice(0, taken + 1));
    const found = missing.get(id) ?? { parent, names: entry.names.slice(0, taken + 1), entries: [] };
    found.entries.push({ ...entry, names: rest.slice(1) });
    missing.set(id, found);
  }
  for (const { parent, names, entries: below } of missing.values())
    groups.push({ parent, depth: names.length, key: names.at(-1) ?? "", value: buildTree(below) });
  return groups;
}

/** How far an entry's names lead in the file. */
function descend(document: JsonDocument, entry: JsonEntry): { parent: Node; taken: number } {
  let parent = document.root;
  if (parent === null) throw new Error("broken invariant: a document without a root");
  let taken = 0;
  for (const name of entry.names) {
    requireType(document, parent, "object", entry.names.slice(0, taken));
    const next = findMember(document, parent, name);
    if (next === null) return { parent, taken };
    parent = next;
    taken += 1;
  }
  if (entry.kind === "element") requireType(document, parent, "array", entry.names);
  return { parent, taken };
}

/** One value from entries whose names start at it. */
function buildTree(entries: readonly JsonEntry[]): unknown {
  const own = entries.filter((entry) => entry.names.length === 0);
  if (own.length > 0) return own[0]?.kind === "element" ? own.map((entry) => entry.value) : own[0]?.value;
  const names = [...new Set(entries.map((entry) => entry.names[0] ?? ""))];
  return Object.fromEntries(
    names.map((name) => {
      const below = entries.filter((entry) => entry.names[0] === name);
      return [
        name,
        buildTree(below.map(({ kind, names: own, value }) => ({ kind, names: own.slice(1), value }))),
      ];
    }),
  );
}

function printAddition(group: EntryGroup, style: JsonStyle): string {
  const value = printJson(group.value, style, group.depth);
  if (group.key === null) return value;
  return `${JSON.stringify(group.key)}:${style.isCompact ? "" : " "}${value}`;
}

/** After the last thing in the parent and its comment; into the braces when there is nothing. */
function placeAdditions(
  document: JsonDocument,
  additions: readonly Addition[],
  style: JsonStyle,
): TextInsertion[] {
  const [first] = additions;
  if (first === undefined) return [];
  const { parent, depth } = first;
  const lead = style.isCompact ? "" : style.eol + style.indent.repeat(depth);
  const joined = additions.map(({ text }) => lead + text).join(",");
  const last = parent.children?.at(-1);
  if (last === undefined) {
    const close =
      style.isCompact || isBrokenBeforeClose(document.text, parent)
        ? ""
        : lead.slice(0, -style.indent.length);
    return [{ offset: parent.offset + 1, text: joined + close }];
  }
  const end = last.offset + last.length;
  const { commaEnd, lineEnd } = scanAfter(document.text, end);
  if (commaEnd !== null) return [{ offset: lineEnd ?? commaEnd, text: joined }];
  if (lineEnd === null) return [{ offset: end, text: `,${joined}` }];
  return [
    { offset: end, text: "," },
    { offset: lineEnd, text: joined },
  ];
}

/** Whether a line ends between an empty object's or list's brackets, outside of the first comment there. */
function isBrokenBeforeClose(text: string, parent: Node): boolean {
  return text.slice(parent.offset, parent.offset + parent.length).includes("\n");
}

/** What follows a value: a trailing comma, and a comment that belongs to its line. Both are passed over. */
function scanAfter(text: string, from: number): { commaEnd: number | null; lineEnd: number | null } {
  let at = from;
  let commaEnd: number | null = null;
  let lineEnd: number | null = null;
  for (;;) {
    const rest = text.slice(at);
    const blank = /^[ \t]+/.exec(rest)?.[0];
    const block = /^\/\*[\s\S]*?\*\//.exec(rest)?.[0];
    const line = /^\/\/[^\r\n]*/.exec(rest)?.[0];
    if (blank !== undefined) at += blank.length;
    else if (block !== undefined) {
      at += block.length;
      lineEnd = at;
    } else if (line !== undefined) {
      at += line.length;
      lineEnd = at;
      break;
    } else if (text[at] === "," && commaEnd === null) {
      at += 1;
      commaEnd = at;
      if (lineEnd !== null) lineEnd = at;
    } else break;
  }
  const later = commaEnd ?? findCommaAfter(text, at);
  // A comma on a later line: what goes in has to stand behind it.
  return commaEnd === null && later !== null ? { commaEnd: later, lineEnd: null } : { commaEnd, lineEnd };
}

/** A trailing comma behind line ends and comments, or null. */
function findCommaAfter(text: string, from: number): number | null {
  const gap = /^(?:\s|\/\*[\s\S]*?\*\/|\/\/[^\r\n]*(?:\r?\n|$))*/.exec(text.slice(from))?.[0] ?? "";
  const at = from + gap.length;
  return text[at] === "," ? at + 1 : null;
}
