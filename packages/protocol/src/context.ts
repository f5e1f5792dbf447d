import { z } from "zod";
import { idSchema } from "./ids.ts";

/** What kind of knowledge an entry holds. */
export const contextKindSchema = z.enum(["learning", "decision", "key-file"]);

const textSchema = z.string().trim().min(1).max(4000);
const pathSchema = z.string().min(1).max(1000);

/** One thing that everybody who works on a feature should know. */
export const contextEntrySchema = z.object({
  entryId: idSchema("entry"),
  kind: contextKindSchema,
  text: z.string(),
  /** The file that it is about. */
  path: z.string().nullable(),
  /** Who said it: a person, or an agent's session. */
  author: z.string(),
  atMs: z.int(),
});

/** Commands of the feature room about what is known. */
export const contextCommandSchemas = [
  z.strictObject({
    type: z.literal("context.add"),
    kind: contextKindSchema,
    text: textSchema,
    path: pathSchema.nullable().default(null),
  }),
  z.strictObject({ type: z.literal("context.remove"), entryId: idSchema("entry") }),
] as const;

/** Events of the feature room about what is known. */
export const contextEventSchemas = [
  z.object({ type: z.literal("context.added"), entry: contextEntrySchema }),
  z.object({ type: z.literal("context.removed"), entryId: idSchema("entry") }),
] as const;

/** One thing that everybody who works on a feature should know. */
export type ContextEntry = z.infer<typeof contextEntrySchema>;
