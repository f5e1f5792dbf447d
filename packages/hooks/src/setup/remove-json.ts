import type { Node } from "jsonc-parser";
import { findNode, parseJsonDocument } from "./json-document.ts";
import type { JsonDocument } from "./json-document.ts";

/** What of a file is ours: elements of lists below these names for which this holds, and these members. */
export interface OwnedJson {
  /** Objects whose members are lists of hooks, such as `hooks`. */
  readonly lists: readonly (readonly string[])[];
  readonly isOurs: (element: unknown) => boolean;
  readonly members: readonly (readonly string[])[];
}

interface Cut {
  readonly from: number;
  readonly to: number;
}

/**
 * Takes what is ours out of a file that others changed since, and then the lists and objects that this left empty. All else stays, to the
 * byte. Handlers of ours in a group with others are taken out of it one by one.
 */
export function removeJson(path: string, text: string, owned: OwnedJson): string {
  let current = text;
  // One cut at a time, so that commas always belong to what is there; hooks are few.
  for (;;) {
    const document = parseJsonDocument(path, current);
    const found = findOwned(document, owned);
    if (found === null) return current;
    for (const { from, to } of cutSibling(current, widen(document, found)))
      current = current.slice(0, from) + current.slice(to);
  }
}

/** True when anything in a file is ours. */
export function hasOwnJson(path: string, text: string, owned: OwnedJson): boolean {
  return findOwned(parseJsonDocument(path, text), owned) !== null;
}

function findOwned(document: JsonDocument, owned: OwnedJson): Node | null {
  for (const names of owned.lists) {
    const holder = tryFindNode(document, names);
    if (holder?.type !== "object") continue;
    for (const property of holder.children ?? []) {
      const list = property.children?.[1];
      const found = list?.type === "array" ? findInList(list, owned.isOurs) : null;
      if (found !== null) return found;
    }
  }
  for (const names of owned.members) {
    const node = tryFindNode(document, names);
    if (node?.parent !== undefined) return node.parent;
  }
  return null;
}

function tryFindNode(document: JsonDocument, names: readonly string[]): Node | null {
  try {
    return findNode(document, names);
  } catch {
    // Nothing of ours is where the file has another kind of thing.
    return null;
  }
}

function findInList(list: Node, isOurs: (element: unknown) => boolean): Node | null {
  for (const element of list.children ?? []) {
    if (isOurs(toValue(element))) return element;
    const handlers = element.children?.find((property) => property.children?.[0]?.value === "hooks");
    const inner = handlers?.children?.[1];
    const found = inner?.type === "array" ? findInList(inner, isOurs) : null;
    if (found !== null) return found;
  }
  return null;
}

function toValue(node: Node): unknown {
  if (node.type === "array") return (node.children ?? []).map(toValue);
  if (node.type !== "object") return node.value;
  return Object.fromEntries(
    (node.children ?? []).map((property) => {
      const value = property.children?.[1];
      return [String(property.children?.[0]?.value), value === undefined ? null : toValue(value)];
    }),
  );
}

/** The outermost member or element that would be empty without this one; never the file's own object. */
function widen(document: JsonDocument, node: Node): Node {
  let current = node;
  for (let up = current.parent; up !== undefined && up !== document.root; up = current.parent) {
    const isOnly = (up.children ?? []).length === 1;
    // A group keeps its matcher when its handlers are gone, but is for nothing then.
    const isGroup = up.type === "object" && up.parent?.type === "array" && isHandlers(current);
    const whole = up.parent?.type === "property" ? up.parent : up;
    if ((!isOnly && !isGroup) || hasComment(document.text, whole, current)) break;
    current = whole;
  }
  return current;
}

/** Whether something of a person's stands around a part: then what is around it stays. */
function hasComment(text: string, whole: Node, part: Node): boolean {
  const before = text.slice(whole.offset, part.offset);
  const after = text.slice(part.offset + part.length, whole.offset + whole.length);
  return /\/[*/]/.test(before + after);
}

function isHandlers(property: Node): boolean {
  return property.children?.[0]?.value === "hooks";
}

/** Blanks and comments. */
const GAP = /^(?:\s|\/\*[\s\S]*?\*\/|\/\/[^\r\n]*)*/;

/** Where the blanks before a thing begin; the line end of a `//` comment is none of them. */
function findBlankStart(text: string, node: Node): number {
  const siblings = node.parent?.children ?? [];
  const previous = siblings[siblings.indexOf(node) - 1];
  const start = previous === undefined ? (node.parent?.offset ?? -1) + 1 : previous.offset + previous.length;
  const gap = text.slice(start, node.offset);
  const comments = [...gap.matchAll(/\/\*[\s\S]*?\*\/|\/\/[^\r\n]*(?:\r?\n|$)|,/g)];
  const last = comments.at(-1);
  return last === undefined ? start : start + last.index + last[0].length;
}

/**
 * What to cut, last first, to take one of several things out: it, the blanks before it, and the comma that is not needed any more. A comma
 * behind it is preferred, so that a file with trailing commas keeps them. Comments stay.
 */
function cutSibling(text: string, node: Node): Cut[] {
  const end = node.offset + node.length;
  const from = findBlankStart(text, node);
  const gap = GAP.exec(text.slice(end))?.[0] ?? "";
  if (text[end + gap.length] === ",") {
    const comma = end + gap.length;
    if (gap.trim() === "") return [{ from, to: comma + 1 }];
    return [
      { from: comma, to: comma + 1 },
      { from, to: end },
    ];
  }
  const siblings = node.parent?.children ?? [];
  const previous = siblings[siblings.indexOf(node) - 1];
  if (previous === undefined) return [{ from, to: end }];
  const previousEnd = previous.offset + previous.length;
  const comma = previousEnd + (GAP.exec(text.slice(previousEnd))?.[0].length ?? 0);
  return [
    { from: Math.max(from, comma + 1), to: end },
    { from: comma, to: comma + 1 },
  ];
}
