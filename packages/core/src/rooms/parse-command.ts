import type { ParsedCommand } from "../kernel/room-definition.ts";

/** What a schema offers, without its library. */
export interface CommandParser<C> {
  safeParse(value: unknown):
    | { readonly success: true; readonly data: C }
    | {
        readonly success: false;
        readonly error: {
          readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[];
        };
      };
}

/** Parses a command with a schema; the message names every wrong field. */
export function parseWith<C>(schema: CommandParser<C>, value: unknown): ParsedCommand<C> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return { ok: true, command: parsed.data };
  const message = parsed.error.issues
    .slice(0, 5)
    .map(
      (issue) =>
        `${issue.path.length === 0 ? "command" : issue.path.map(String).join(".")}: ${issue.message}`,
    )
    .join("; ");
  return { ok: false, message };
}
