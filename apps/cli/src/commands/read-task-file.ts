import type { Json } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol/errors";
import { readTextFile } from "../read-text-file.ts";

type Item = Record<string, unknown>;

/**
 * Reads tasks to import: a JSON array, an object with `tasks` or `issues`, JSON Lines (also a beads export), or a Markdown
 * list (`- [ ] title`; done ones are skipped). Throws `usage.invalid` with the line that is wrong.
 */
export async function readTaskFile(file: string): Promise<Json[]> {
  const text = await readTextFile(file);
  const items = parseItems(text, file);
  if (items.length === 0) throw new CanopyError("usage.invalid", `${file}: no tasks in it`);
  return items.map((item, index) => toNewTask(item, `${file}: item ${index + 1}`));
}

function isItem(value: unknown): value is Item {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseItems(text: string, file: string): Item[] {
  const trimmed = text.trimStart();
  if (trimmed.startsWith("[") && !/^\[[ xX]?\]/.test(trimmed)) return parseDocument(text, file);
  if (!trimmed.startsWith("{")) return parseMarkdown(text);
  try {
    return parseDocument(text, file);
  } catch {
    return parseLines(text, file);
  }
}

function parseDocument(text: string, file: string): Item[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CanopyError(
      "usage.invalid",
      `${file}: not valid JSON: ${error instanceof Error ? error.message : ""}`,
    );
  }
  const list = isItem(value) ? (value["tasks"] ?? value["issues"] ?? value["data"] ?? [value]) : value;
  if (!Array.isArray(list) || !list.every((item) => isItem(item))) {
    throw new CanopyError("usage.invalid", `${file}: expected a list of objects`);
  }
  return list;
}

function parseLines(text: string, file: string): Item[] {
  const items: Item[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      throw new CanopyError("usage.invalid", `${file}:${index + 1}: not valid JSON`);
    }
    if (!isItem(value)) throw new CanopyError("usage.invalid", `${file}:${index + 1}: expected an object`);
    items.push(value);
  }
  return items;
}

function parseMarkdown(text: string): Item[] {
  return text
    .split("\n")
    .map((line) => /^\s*(?:[-*+]|\d+[.)])\s+(?:\[([ xX])\]\s+)?(.+?)\s*$/.exec(line))
    .filter((match) => match !== null && match[1]?.toLowerCase() !== "x")
    .map((match) => ({ title: match?.[2] ?? "" }));
}

function readText(item: Item, ...names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = item[name];
    if (typeof value === "string" && value !== "") return value;
  }
  return undefined;
}

function readDependencies(item: Item): Json[] {
  const list = item["dependencies"] ?? item["depends_on"] ?? item["dependsOn"] ?? [];
  if (!Array.isArray(list)) return [];
  const prefix = item["issue_type"] === undefined ? "" : "bd:";
  return list.flatMap((entry: unknown): Json[] => {
    if (typeof entry === "string" || typeof entry === "number") return [{ on: `${prefix}${entry}` }];
    if (!isItem(entry)) return [];
    const on = readText(entry, "on", "depends_on_id", "dependsOnId");
    const kind = readText(entry, "kind", "type");
    if (on === undefined) return [];
    return [kind === undefined ? { on: `${prefix}${on}` } : { on: `${prefix}${on}`, kind }];
  });
}

function toNewTask(item: Item, where: string): Json {
  const title = readText(item, "title", "name", "summary");
  if (title === undefined) throw new CanopyError("usage.invalid", `${where}: it has no title`);
  const isBeads = item["issue_type"] !== undefined;
  const id = readText(item, "externalReference", "external_reference", "external_ref", "id");
  const labels = Array.isArray(item["labels"])
    ? item["labels"].filter((label) => typeof label === "string")
    : [];
  const { priority } = item;
  const task: Record<string, Json> = {
    title: title.trim().slice(0, 500),
    description: readText(item, "description", "body") ?? "",
    taskType: readText(item, "taskType", "issue_type", "type") ?? "task",
    labels,
    dependencies: readDependencies(item),
  };
  if (typeof priority === "number") task["priority"] = priority;
  const assignee = readText(item, "assignee");
  if (assignee !== undefined) task["assignee"] = assignee;
  if (id !== undefined) task["externalReference"] = isBeads ? `bd:${id}` : id;
  return task;
}
