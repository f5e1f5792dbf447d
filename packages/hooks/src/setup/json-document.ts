import { CanopyError } from "@canopy/protocol";
import { getNodeValue, parseTree, printParseErrorCode } from "jsonc-parser";
import type { Node, ParseError } from "jsonc-parser";

/** A configuration file in JSON, perhaps with comments and trailing commas. */
export interface JsonDocument {
  /** For messages. */
  readonly path: string;
  /** Without a mark of byte order. */
  readonly text: string;
  /** Null for a file with nothing in it. */
  readonly root: Node | null;
}

/** Parses a configuration file leniently, as the agents do. Throws `config.invalid` for what is no JSON. */
export function parseJsonDocument(path: string, text: string): JsonDocument {
  if (text.trim() === "") return { path, text, root: null };
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, { allowTrailingComma: true });
  const first = errors[0];
  if (first !== undefined || root === undefined) {
    const offset = first?.offset ?? 0;
    const line = text.slice(0, offset).split("\n").length;
    const what = first === undefined ? "there is nothing in it" : printParseErrorCode(first.error);
    throw new CanopyError("config.invalid", `${path} cannot be read as JSON: ${what} in line ${line}`, {
      hint: "mend the file first; nothing was changed",
    });
  }
  return { path, text, root };
}

/** The member of an object, or null. Throws `config.invalid` when its name is there twice, for agents read the last one. */
export function findMember(document: JsonDocument, object: Node, key: string): Node | null {
  const found = (object.children ?? []).filter((property) => property.children?.[0]?.value === key);
  if (found.length > 1)
    throw new CanopyError("config.invalid", `${document.path} has "${key}" more than once`, {
      hint: "mend the file first; nothing was changed",
    });
  return found[0]?.children?.[1] ?? null;
}

/** The node a path of names leads to, or null when one is missing. Throws `config.invalid` where a parent is no object. */
export function findNode(document: JsonDocument, names: readonly string[]): Node | null {
  let node = document.root;
  for (const [index, name] of names.entries()) {
    if (node === null) return null;
    requireType(document, node, "object", names.slice(0, index));
    node = findMember(document, node, name);
  }
  return node;
}

/** Throws `config.invalid` unless a node is an object or a list, as wanted. */
export function requireType(
  document: JsonDocument,
  node: Node,
  type: "object" | "array",
  names: readonly string[],
): void {
  if (node.type === type) return;
  const where = names.length === 0 ? "the whole file" : `"${names.join(".")}"`;
  throw new CanopyError(
    "config.invalid",
    `${document.path}: ${where} is no ${type === "array" ? "list" : "object"}`,
    { hint: "mend the file first; nothing was changed" },
  );
}

/** The plain value of a node. */
export function valueOf(node: Node): unknown {
  return getNodeValue(node);
}
