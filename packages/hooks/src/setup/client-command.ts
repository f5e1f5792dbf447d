import { join } from "node:path";
import type { SetupRequest } from "./setup-request.ts";

/** The file name of the command client; a hook whose command has it is ours. */
export const CLIENT_NAME = "canopy-hook";

/** Where the command client is kept. */
export function clientPath(stateDir: string): string {
  return join(stateDir, "hook", CLIENT_NAME);
}

/** A text as one word of a shell's command. */
export function quoteWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

// Others get this line by git: it names no home, and does nothing where there is no Canopy.
const SHARED =
  'f="${CANOPY_HOME:+$CANOPY_HOME/state}"; f="${f:-${XDG_STATE_HOME:-$HOME/.local/state}/canopy}/hook/canopy-hook"; [ ! -x "$f" ] || exec "$f"';

/** The command of a hook. It stays the same from version to version, for Codex has every change of it trusted anew. */
export function clientCommand(request: SetupRequest, event: string): string {
  const client = request.scope === "project" ? SHARED : quoteWord(clientPath(request.stateDir));
  return `${client} ${request.agent} ${event}`;
}

/** Whether a hook's entry, a handler or a group of nothing but our handlers, was written by set-up. */
export function isOwnHook(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const handlers: unknown = Reflect.get(value, "hooks");
  if (Array.isArray(handlers)) return handlers.length > 0 && handlers.every(isOwnHook);
  const command: unknown = Reflect.get(value, "command");
  const url: unknown = Reflect.get(value, "url");
  if (typeof command === "string")
    return (
      /\/hook\/canopy-hook["']? (?:claude|codex|gemini|cursor) \w+$/.test(command) ||
      / exec "\$f" \w+ \w+$/.test(command)
    );
  return typeof url === "string" && /^http:\/\/127\.0\.0\.1:\d+\/hooks\/\w+\?.*\bby=canopy\b/.test(url);
}
