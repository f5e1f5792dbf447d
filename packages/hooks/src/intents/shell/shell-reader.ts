import { basename } from "node:path";
import type { HostFiles } from "../host-files.ts";
import type { Certainty, FileIntent, GitIntent, ToolIntent } from "../tool-intent.ts";
import { resolveTarget } from "./resolve-target.ts";
import { exactValue } from "./shell-scope.ts";
import type { ShellScope, ShellValue } from "./shell-scope.ts";

/** One command as it will be run: words evaluated, wrappers not yet taken off. */
export interface ShellCall {
  readonly name: string;
  readonly args: readonly ShellValue[];
  readonly scope: ShellScope;
  /** What a here-document or here-string hands to it, null when that is not known. */
  readonly stdin: string | null;
}

const MAX_INTENTS = 2_000;
const NO_FILES = /^\/(?:dev|proc\/self\/fd)\//;

/** Collects what the commands of one script do. The rules of single commands write into it. */
export class ShellReader {
  readonly host: HostFiles;
  readonly #runScript: (text: string, scope: ShellScope) => void;
  readonly #runCommand: (call: ShellCall) => void;
  readonly #intents = new Map<string, ToolIntent>();

  constructor(
    host: HostFiles,
    run: {
      readonly script: (reader: ShellReader, text: string, scope: ShellScope) => void;
      readonly command: (reader: ShellReader, call: ShellCall) => void;
    },
  ) {
    this.host = host;
    this.#runScript = (text, scope) => run.script(this, text, scope);
    this.#runCommand = (call) => run.command(this, call);
  }

  /** What was found, in the order of the commands, each once. */
  get intents(): ToolIntent[] {
    return [...this.#intents.values()];
  }

  /** Reads a script inside the script (`bash -c`, `eval`). */
  runScript(text: string, scope: ShellScope): void {
    this.#runScript(text, scope);
  }

  /** Reads a command that another one runs (`sudo`, `xargs`). */
  runCommand(call: ShellCall): void {
    this.#runCommand(call);
  }

  /** Tells an intent on the path a value points to. */
  tellFile(
    kind: FileIntent["kind"],
    value: ShellValue,
    about: { readonly scope: ShellScope; readonly detail: string; readonly isTree?: boolean },
  ): void {
    const target = resolveTarget(value, about.scope);
    if (NO_FILES.test(target.path) || (value.isExact && value.text === "")) return;
    const certainty: Certainty =
      about.isTree === true && target.certainty === "sure" && target.glob === null
        ? "whole-tree"
        : target.certainty;
    this.tell({ kind, path: target.path, glob: target.glob, certainty, detail: about.detail });
  }

  /** Tells where something arrives: in the folder, under its own name, when the target is a folder. */
  tellArrival(
    source: ShellValue,
    destination: ShellValue,
    about: {
      readonly scope: ShellScope;
      readonly detail: string;
      readonly isTree?: boolean;
      readonly isFolder: boolean;
    },
  ): void {
    if (!about.isFolder && !this.isFolder(destination, about.scope))
      return this.tellFile("write", destination, about);
    const name = source.isExact ? exactValue(basename(source.text)) : null;
    const wild = source.pattern.slice(source.pattern.lastIndexOf("/") + 1);
    const last = name ?? { ...source, text: "", pattern: wild };
    this.tellFile("write", joinPath(destination, last), about);
  }

  /** Whether a value names a folder that is there, or says itself that it is one. */
  isFolder(value: ShellValue, scope: ShellScope): boolean {
    if (/\/\.{0,2}$/.test(value.pattern) || /^\.{1,2}$/.test(value.text)) return true;
    return value.isExact && this.host.kindOf(resolveTarget(value, scope).path) === "folder";
  }

  /** Tells an intent once. Beyond 2,000 nothing more is kept. */
  tell(intent: FileIntent | GitIntent): void {
    const key = JSON.stringify(intent);
    if (this.#intents.size < MAX_INTENTS && !this.#intents.has(key)) this.#intents.set(key, intent);
  }
}

/** A name below a folder. */
export function joinPath(folder: ShellValue, name: ShellValue): ShellValue {
  const slash = folder.pattern.endsWith("/") || folder.pattern === "" ? "" : "/";
  return {
    text: folder.text + slash + name.text,
    pattern: folder.pattern + slash + name.pattern,
    isExact: folder.isExact && name.isExact,
    isGuess: folder.isGuess || name.isGuess,
  };
}
