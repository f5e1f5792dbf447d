import { CanopyError } from "@canopy/protocol";
import type { z } from "zod";

const MAX_ISSUES = 5;

/** Parses what came from outside. Throws `request.invalid` that names every wrong field; `what` names the whole. */
export function parseBody<S extends z.ZodType>(schema: S, value: unknown, what: string): z.infer<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.slice(0, MAX_ISSUES).map((issue) => {
    const where = issue.path.length === 0 ? what : issue.path.map(String).join(".");
    return `${where}: ${issue.message}`;
  });
  throw new CanopyError("request.invalid", issues.join("; "));
}
