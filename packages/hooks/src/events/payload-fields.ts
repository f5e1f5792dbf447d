import { z } from "zod";

/** A record of anything, or an empty one. */
export const recordField = z.record(z.string(), z.unknown()).catch({});

/** A text, or null for whatever else is there. */
export const textField = z.string().nullable().catch(null).default(null);

/** True only for true. */
export const flagField = z.boolean().catch(false).default(false);

/** A model, which agents write as a text or as an object with an id. */
export const modelField = z
  .union([z.string(), z.looseObject({ id: z.string() }).transform((model) => model.id)])
  .nullable()
  .catch(null)
  .default(null);

/** The first of some members that is a text with something in it, else null. */
export function pickText(input: Readonly<Record<string, unknown>>, names: readonly string[]): string | null {
  for (const name of names) {
    const value = Object.hasOwn(input, name) ? input[name] : undefined;
    if (typeof value === "string" && value !== "") return value;
  }
  return null;
}
