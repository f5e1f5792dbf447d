import { readFile } from "node:fs/promises";

/** A documented shape: a type's name, a list of one, or an object of them. See docs/cli-json.md. */
type Shape = string | readonly [Shape] | { readonly [key: string]: Shape };
type Shapes = ReadonlyMap<string, { readonly [key: string]: Shape }>;

const PRIMITIVES = new Set(["string", "number", "boolean"]);

/** Reads the shapes of a Markdown page: fenced blocks that begin with "json shape=NAME" or "... extends=OTHER". */
export async function readShapes(file: string): Promise<Shapes> {
  const shapes = new Map<string, { readonly [key: string]: Shape }>();
  const text = await readFile(file, "utf8");
  for (const [, name = "", base, body = ""] of text.matchAll(
    /^```json shape=(\w+)(?: extends=(\w+))?\n(.*?)^```$/gms,
  )) {
    const own: { readonly [key: string]: Shape } = parseShape(body);
    const inherited = base === undefined ? {} : shapes.get(base);
    if (inherited === undefined) throw new Error(`${name} extends ${base}, which stands nowhere above it`);
    const merged = { ...inherited, ...own };
    if ("version" in own || "version" in inherited) delete merged["version?"];
    if ("delivery" in own) delete merged["delivery?"];
    shapes.set(name, merged);
  }
  return shapes;
}

function parseShape(body: string): { readonly [key: string]: Shape } {
  return JSON.parse(body) as { readonly [key: string]: Shape };
}

function parseObject(value: object): Readonly<Record<string, unknown>> {
  return value as Readonly<Record<string, unknown>>;
}

function matchName(shapes: Shapes, name: string, value: unknown, where: string): string[] {
  if (name === "any") return [];
  if (name === "null") return value === null ? [] : [`${where}: not null`];
  if (PRIMITIVES.has(name)) return typeof value === name ? [] : [`${where}: ${typeof value}, not ${name}`];
  if (name.endsWith("[]")) return matchShape(shapes, [name.slice(0, -2)], value, where);
  const named = shapes.get(name);
  return named === undefined ? [`${where}: no shape ${name}`] : matchShape(shapes, named, value, where);
}

function matchFields(
  shapes: Shapes,
  shape: { readonly [key: string]: Shape },
  value: unknown,
  where: string,
): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [`${where}: not an object`];
  const fields = parseObject(value);
  const { "*": everyKey } = shape;
  if (everyKey !== undefined) {
    return Object.entries(fields).flatMap(([key, each]) =>
      matchShape(shapes, everyKey, each, `${where}.${key}`),
    );
  }
  const known = new Set(Object.keys(shape).map((key) => key.replace(/\?$/, "")));
  const extra = Object.keys(fields).filter((key) => !known.has(key));
  return [
    ...extra.map((key) => `${where}.${key}: not documented`),
    ...Object.entries(shape).flatMap(([key, each]) => {
      const name = key.replace(/\?$/, "");
      if (!(name in fields)) return key === name ? [`${where}.${name}: missing`] : [];
      return matchShape(shapes, each, fields[name], `${where}.${name}`);
    }),
  ];
}

/** Says in which places a value differs from a shape; empty when it fits. */
export function matchShape(shapes: Shapes, shape: Shape, value: unknown, where = "$"): string[] {
  if (typeof shape === "string") {
    const tries = shape.split("|").map((name) => matchName(shapes, name.trim(), value, where));
    return tries.some((differences) => differences.length === 0) ? [] : (tries[0] ?? []);
  }
  if (isList(shape)) {
    if (!Array.isArray(value)) return [`${where}: not a list`];
    return value.flatMap((each: unknown, index) => matchShape(shapes, shape[0], each, `${where}[${index}]`));
  }
  return matchFields(shapes, shape, value, where);
}

function isList(shape: Shape): shape is readonly [Shape] {
  return Array.isArray(shape);
}
