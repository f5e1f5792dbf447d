import type { DoubleQuotedChild, Word, WordPart } from "unbash";
import { expandBraces } from "./expand-braces.ts";
import { UNKNOWN_VALUE as UNKNOWN, exactValue } from "./shell-scope.ts";
import type { ShellScope, ShellValue } from "./shell-scope.ts";

const MAX_VALUES = 64;
const EMPTY: ShellValue = exactValue("");

function joinValues(left: ShellValue, right: ShellValue): ShellValue {
  return {
    text: left.text + right.text,
    pattern: left.pattern + right.pattern,
    isExact: left.isExact && right.isExact,
    isGuess: left.isGuess || right.isGuess,
  };
}

/** Every combination, or one unknown when there are too many. */
function multiply(left: readonly ShellValue[], right: readonly ShellValue[]): readonly ShellValue[] {
  if (left.length * right.length > MAX_VALUES) return [UNKNOWN];
  return left.flatMap((first) => right.map((second) => joinValues(first, second)));
}

function lookUp(name: string, scope: ShellScope): readonly ShellValue[] {
  if (name === "PWD") return [scope.isCwdSure ? exactValue(scope.cwd) : UNKNOWN];
  if (name === "OLDPWD") return [scope.isCwdSure ? exactValue(scope.previousCwd) : UNKNOWN];
  return scope.variables.get(name) ?? [UNKNOWN];
}

function isPrintWorkingDirectory(part: WordPart): boolean {
  return part.type === "CommandExpansion" && /^(?:\$\(\s*pwd\s*\)|`\s*pwd\s*`)$/.test(part.text);
}

function evaluatePart(part: WordPart | DoubleQuotedChild, scope: ShellScope): readonly ShellValue[] {
  switch (part.type) {
    case "Literal":
    case "SingleQuoted":
    case "AnsiCQuoted":
      return [exactValue(part.value)];
    case "Glob":
    case "ExtendedGlob":
      return [{ text: part.text, pattern: part.text, isExact: false, isGuess: false }];
    case "DoubleQuoted":
    case "LocaleString":
      return evaluateParts(part.parts, scope);
    case "BraceExpansion":
      return expandBraces(part.text)?.map(exactValue) ?? [UNKNOWN];
    default:
      return evaluateExpansion(part, scope);
  }
}

function evaluateExpansion(part: WordPart | DoubleQuotedChild, scope: ShellScope): readonly ShellValue[] {
  if (part.type === "SimpleExpansion") return lookUp(part.text.slice(1), scope);
  if (part.type === "CommandExpansion" && isPrintWorkingDirectory(part)) return lookUp("PWD", scope);
  const isPlain =
    part.type === "ParameterExpansion" &&
    part.operation === undefined &&
    part.prefix === undefined &&
    part.index === undefined;
  return isPlain ? lookUp(part.parameter, scope) : [UNKNOWN];
}

function evaluateParts(
  parts: readonly (WordPart | DoubleQuotedChild)[],
  scope: ShellScope,
): readonly ShellValue[] {
  return parts.reduce<readonly ShellValue[]>(
    (values, part) => multiply(values, evaluatePart(part, scope)),
    [EMPTY],
  );
}

function expandTilde(value: ShellValue, word: Word, scope: ShellScope): ShellValue {
  const match = /^~(?=\/|$)/.exec(word.text);
  if (match === null) return word.text.startsWith("~") ? UNKNOWN : value;
  const home = scope.variables.get("HOME")?.[0] ?? UNKNOWN;
  return joinValues(home, {
    text: value.text.slice(1),
    pattern: value.pattern.slice(1),
    isExact: value.isExact,
    isGuess: value.isGuess,
  });
}

/** A variable outside of quotes falls apart at blanks. */
function splitFields(value: ShellValue): readonly ShellValue[] {
  if (!value.isExact || !/\s/.test(value.text)) return [value];
  const fields = value.text.split(/\s+/).filter((field) => field !== "");
  return fields.length > MAX_VALUES ? [UNKNOWN] : fields.map(exactValue);
}

/** What a word can become: one value for most, several for braces and for variables with several values, at most 64. */
export function evaluateWord(word: Word, scope: ShellScope): readonly ShellValue[] {
  const { parts } = word;
  if (parts === undefined) return [expandTilde(exactValue(word.value), word, scope)];
  const values = evaluateParts(parts, scope).map((value) => expandTilde(value, word, scope));
  const only = parts.length === 1 ? parts[0] : undefined;
  return only?.type === "SimpleExpansion" || only?.type === "ParameterExpansion"
    ? values.flatMap(splitFields)
    : values;
}
