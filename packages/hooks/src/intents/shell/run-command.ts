import { basename } from "node:path";
import { COPY_RULES } from "./copy-rules.ts";
import { FILE_RULES } from "./file-rules.ts";
import { readGit } from "./git-rules.ts";
import { IN_PLACE_RULES } from "./in-place-rules.ts";
import type { ShellCall, ShellReader } from "./shell-reader.ts";
import { runFind, runShell, runXargs, unwrapCommand } from "./unwrap-command.ts";

/** What one command does: a rule that writes into the reader. */
export type CommandRule = (reader: ShellReader, call: ShellCall) => void;

const RULES: Readonly<Record<string, CommandRule>> = {
  ...FILE_RULES,
  ...COPY_RULES,
  ...IN_PLACE_RULES,
  git: readGit,
  xargs: runXargs,
  find: runFind,
};

const MAX_WRAPPERS = 16;

/** Takes off what is wrapped around a command, and applies its rule. Commands without a rule do nothing that is known. */
export function runCommand(reader: ShellReader, call: ShellCall): void {
  let inner = plainName(call);
  for (let depth = 0; depth < MAX_WRAPPERS; depth += 1) {
    const next = unwrapCommand(reader, inner);
    if (next === null) break;
    inner = plainName(next);
  }
  if (runShell(reader, inner)) return;
  const rule = Object.hasOwn(RULES, inner.name) ? RULES[inner.name] : undefined;
  rule?.(reader, inner);
}

/** `/usr/bin/rm` is `rm`; coreutils that macOS users install with a `g` are what they are. */
function plainName(call: ShellCall): ShellCall {
  const name = basename(call.name).replace(
    /^g(?=(?:sed|cp|mv|rm|tee|touch|truncate|install|ln|dd|find|xargs)$)/,
    "",
  );
  return { ...call, name };
}
