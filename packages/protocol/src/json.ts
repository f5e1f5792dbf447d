import { z } from "zod";

/** Any value that survives a round trip through JSON. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** Parses a value that is known to be JSON but whose shape the reader does not care about. */
export const jsonSchema: z.ZodType<Json> = z.json();
