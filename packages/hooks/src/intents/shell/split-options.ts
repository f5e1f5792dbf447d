import type { ShellValue } from "./shell-scope.ts";

/** The arguments of a command, taken apart. */
export interface SplitArguments {
  /** Names without dashes: every letter of a cluster, every long name. */
  readonly flags: ReadonlySet<string>;
  /** What options with a value were given, in order. */
  readonly values: readonly { readonly name: string; readonly value: ShellValue }[];
  readonly positional: readonly ShellValue[];
  /** Those after `--`; they are in `positional` too. */
  readonly afterDashes: readonly ShellValue[] | null;
}

/** Which options take a value: letters, and long names. */
export interface OptionTable {
  readonly short?: string;
  readonly long?: readonly string[];
  /** Everything from the first plain argument on is left alone: for commands that run another one. */
  readonly stopsAtFirst?: boolean;
}

interface Cursor {
  readonly flags: Set<string>;
  readonly values: { name: string; value: ShellValue }[];
  readonly rest: ShellValue[];
}

function takeLong(option: ShellValue, table: OptionTable, cursor: Cursor): void {
  const equals = option.text.indexOf("=");
  const name = option.text.slice(2, equals === -1 ? undefined : equals);
  cursor.flags.add(name);
  if (equals !== -1) cursor.values.push({ name, value: cutFront(option, equals + 1) });
  else if (table.long?.includes(name) === true) takeNext(name, cursor);
}

function takeNext(name: string, cursor: Cursor): void {
  const value = cursor.rest.shift();
  if (value !== undefined) cursor.values.push({ name, value });
}

function takeShort(option: ShellValue, table: OptionTable, cursor: Cursor): void {
  for (let at = 1; at < option.text.length; at += 1) {
    const letter = option.text.charAt(at);
    cursor.flags.add(letter);
    if (table.short?.includes(letter) !== true) continue;
    if (at + 1 === option.text.length && option.isExact) takeNext(letter, cursor);
    else cursor.values.push({ name: letter, value: cutFront(option, at + 1) });
    return;
  }
}

/** What follows an option's name, which has no characters that a pattern would escape. */
function cutFront(value: ShellValue, count: number): ShellValue {
  return { ...value, text: value.text.slice(count), pattern: value.pattern.slice(count) };
}

/** Takes arguments apart as getopt does, options and plain arguments in any order. */
export function splitOptions(args: readonly ShellValue[], table: OptionTable = {}): SplitArguments {
  const cursor: Cursor = { flags: new Set(), values: [], rest: [...args] };
  const positional: ShellValue[] = [];
  let afterDashes: ShellValue[] | null = null;
  for (let next = cursor.rest.shift(); next !== undefined; next = cursor.rest.shift()) {
    const isOption = /^-./.test(next.text) && next.pattern.startsWith("-");
    if (next.isExact && next.text === "--") {
      afterDashes = cursor.rest.splice(0);
      positional.push(...afterDashes);
    } else if (isOption && next.text.startsWith("--")) takeLong(next, table, cursor);
    else if (isOption) takeShort(next, table, cursor);
    else {
      positional.push(next);
      if (table.stopsAtFirst === true) positional.push(...cursor.rest.splice(0));
    }
  }
  return { flags: cursor.flags, values: cursor.values, positional, afterDashes };
}

/** The last value given to one of some options. */
export function lastValue(split: SplitArguments, names: readonly string[]): ShellValue | null {
  return split.values.findLast(({ name }) => names.includes(name))?.value ?? null;
}

/** Whether one of some options was given. */
export function hasFlag(split: SplitArguments, names: readonly string[]): boolean {
  return names.some((name) => split.flags.has(name));
}
