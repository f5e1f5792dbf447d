import type { HostFiles } from "./host-files.ts";
import { runCommand } from "./shell/run-command.ts";
import { ShellReader } from "./shell/shell-reader.ts";
import { createScope, exactValue } from "./shell/shell-scope.ts";
import type { ShellScope } from "./shell/shell-scope.ts";
import { walkScript } from "./shell/walk-script.ts";
import type { ToolIntent } from "./tool-intent.ts";

const MAX_DEPTH = 12;

/** Where a command runs. */
export interface ShellPlace {
  readonly cwd: string;
  readonly host: HostFiles;
}

function openReader(host: HostFiles): ShellReader {
  let depth = 0;
  return new ShellReader(host, {
    script: (reader, text, scope) => {
      if (depth >= MAX_DEPTH) return;
      depth += 1;
      walkScript(reader, text, scope);
      depth -= 1;
    },
    command: (reader, call) => {
      if (depth >= MAX_DEPTH) return;
      depth += 1;
      runCommand(reader, call);
      depth -= 1;
    },
  });
}

/**
 * What a command line is about to do to files, as far as reading it can tell. Broken scripts give what could be read of them.
 * Programs that write by themselves (compilers, `python -c`, scripts) are beyond it: look at the work tree afterwards.
 */
export function readShellIntents(command: string, place: ShellPlace): ToolIntent[] {
  return collect(place, (reader, scope) => reader.runScript(command, scope));
}

/** The same for a command that is given as words, as Codex does. */
export function readArgvIntents(words: readonly string[], place: ShellPlace): ToolIntent[] {
  const [name, ...args] = words;
  if (name === undefined) return [];
  return collect(place, (reader, scope) =>
    reader.runCommand({ name, args: args.map(exactValue), scope, stdin: null }),
  );
}

function collect(place: ShellPlace, run: (reader: ShellReader, scope: ShellScope) => void): ToolIntent[] {
  const reader = openReader(place.host);
  run(reader, createScope(place.cwd === "" ? "/" : place.cwd, place.host.home));
  return reader.intents;
}
