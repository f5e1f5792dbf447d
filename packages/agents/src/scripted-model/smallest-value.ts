import { field, listField } from "./model-api.ts";

const MAX_DEPTH = 8;

function scalar(type: unknown): unknown {
  if (type === "number" || type === "integer") return 0;
  if (type === "boolean") return false;
  if (type === "null") return null;
  return "scripted";
}

/** The smallest value that fits a JSON schema, for calls that want JSON: routers, titles, reviews. */
export function smallestValue(schema: unknown, depth = 0): unknown {
  const [firstChoice] = listField(schema, "enum");
  if (firstChoice !== undefined) return firstChoice;
  const constant = field(schema, "const");
  if (constant !== undefined) return constant;
  const [option] = [...listField(schema, "anyOf"), ...listField(schema, "oneOf")];
  if (option !== undefined && depth < MAX_DEPTH) return smallestValue(option, depth + 1);
  const named: unknown = field(schema, "type");
  const type: unknown = Array.isArray(named) ? named[0] : named;
  const kind = typeof type === "string" ? type.toLowerCase() : "object";
  if (kind === "array") return [];
  if (kind !== "object" || depth >= MAX_DEPTH) return scalar(kind);
  const properties = field(schema, "properties");
  const value: Record<string, unknown> = {};
  if (typeof properties !== "object" || properties === null) return value;
  for (const [name, part] of Object.entries(properties)) value[name] = smallestValue(part, depth + 1);
  return value;
}
