/**
 * One thing a word of a command can become. `text` holds when `isExact`; else `pattern` is a glob, with `*` for what a variable or a
 * command would have put in.
 */
export interface ShellValue {
  readonly text: string;
  readonly pattern: string;
  readonly isExact: boolean;
  /** The pattern stands in for something that is not known, such as a variable, rather than for a glob that the shell expands. */
  readonly isGuess: boolean;
}

/** Where a command runs and what it knows. */
export interface ShellScope {
  cwd: string;
  /** False after a `cd` that may not have happened, or to a place that is not known. */
  isCwdSure: boolean;
  previousCwd: string;
  readonly variables: Map<string, readonly ShellValue[]>;
}

/** The scope a command starts with. */
export function createScope(cwd: string, home: string): ShellScope {
  return {
    cwd,
    isCwdSure: true,
    previousCwd: cwd,
    variables: new Map([["HOME", [exactValue(home)]]]),
  };
}

/** A subshell's scope: what it changes stays in it. */
export function copyScope(scope: ShellScope): ShellScope {
  return { ...scope, variables: new Map(scope.variables) };
}

/** A value that is known to the letter. */
export function exactValue(text: string): ShellValue {
  return { text, pattern: escapeGlob(text), isExact: true, isGuess: false };
}

/** A text with everything that a glob would take as special made plain. */
export function escapeGlob(text: string): string {
  return text.replace(/[\\*?[\]{}()!+@]/g, (char) => (/[!+@]/.test(char) ? char : `\\${char}`));
}

/** A value of which nothing is known. */
export const UNKNOWN_VALUE: ShellValue = { text: "", pattern: "*", isExact: false, isGuess: true };
