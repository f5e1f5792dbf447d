import { isOwnHook } from "./client-command.ts";
import { insertJson } from "./insert-json.ts";
import type { JsonEntry } from "./insert-json.ts";
import { findNode, parseJsonDocument, valueOf } from "./json-document.ts";
import type { ManagedFile } from "./managed-file.ts";
import { hasOwnJson, removeJson } from "./remove-json.ts";
import type { OwnedJson } from "./remove-json.ts";

/** What a JSON file should have of ours. */
export interface JsonFileOptions {
  readonly path: string;
  readonly mode: number;
  readonly entries: readonly JsonEntry[];
  /** Members that are ours alone, by their names. */
  readonly members: readonly (readonly string[])[];
  /** Members that an agent needs beside ours, put in only where they are missing, and left to the file. */
  readonly needed?: readonly JsonEntry[];
}

function toKey(names: readonly string[], value: unknown): string {
  return JSON.stringify([names, value]);
}

/** Everything in a file that is ours, one text each. */
function listOwn(path: string, text: string, members: JsonFileOptions["members"]): string[] {
  const document = parseJsonDocument(path, text);
  const own: string[] = [];
  const hooks = findNode(document, ["hooks"]);
  for (const property of hooks?.type === "object" ? (hooks.children ?? []) : []) {
    const [name, list] = property.children ?? [];
    for (const element of list?.type === "array" ? (list.children ?? []) : []) {
      const value = valueOf(element);
      if (isOwnHook(value) || hasOwnHandler(value)) own.push(toKey(["hooks", String(name?.value)], value));
    }
  }
  for (const names of members) {
    const node = findNode(document, names);
    if (node !== null) own.push(toKey(names, valueOf(node)));
  }
  return own;
}

function hasOwnHandler(group: unknown): boolean {
  if (typeof group !== "object" || group === null) return false;
  const handlers: unknown = Reflect.get(group, "hooks");
  return Array.isArray(handlers) && handlers.some(isOwnHook);
}

/** A configuration file in JSON that others write too. */
export function createJsonFile(options: JsonFileOptions): ManagedFile {
  const { path, mode, entries, members, needed = [] } = options;
  const owned: OwnedJson = { lists: [["hooks"]], isOurs: isOwnHook, members };
  const missing = (text: string): JsonEntry[] => {
    const document = parseJsonDocument(path, text);
    return needed.filter((entry) => findNode(document, entry.names) === null);
  };
  return {
    path,
    mode,
    insert: (text) => insertJson(parseJsonDocument(path, text), [...missing(text), ...entries]),
    isCurrent: (text) => {
      const wanted = entries.map((entry) => toKey(entry.names, entry.value)).toSorted();
      const own = listOwn(path, text, members).toSorted();
      return JSON.stringify(own) === JSON.stringify(wanted) && missing(text).length === 0;
    },
    hasOwn: (text) => hasOwnJson(path, text, owned),
    remove: (text) => removeJson(path, text, owned),
    isNothing: (text) => {
      const { root } = parseJsonDocument(path, text);
      const names = (root?.children ?? []).map((property) => String(property.children?.[0]?.value));
      return names.every((name) => needed.some((entry) => entry.names[0] === name)) && !/\/[*/]/.test(text);
    },
  };
}
