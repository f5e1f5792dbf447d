import { forEachChild, parse } from "unbash";
import type {
  AndOr,
  Assignment,
  Case,
  Command,
  CompoundList,
  ParsedScript,
  Pipeline,
  Redirection,
  Statement,
  SyntaxNode,
  Word,
} from "unbash";
import { evaluateWord } from "./evaluate-word.ts";
import { resolveTarget } from "./resolve-target.ts";
import type { ShellReader } from "./shell-reader.ts";
import { copyScope, exactValue } from "./shell-scope.ts";
import type { ShellScope, ShellValue } from "./shell-scope.ts";

const MAX_SCRIPT_CHARS = 512 * 1024;
const MAX_VARIABLE_VALUES = 64;
const ASSIGNERS = new Set(["export", "declare", "typeset", "local", "readonly"]);

/** Reads a script's commands in order, as a shell would run them, following `cd` and plain variables. */
export function walkScript(reader: ShellReader, text: string, scope: ShellScope): void {
  if (text.length <= MAX_SCRIPT_CHARS) walkStatements(reader, parse(text).commands, scope);
}

function walkStatements(reader: ShellReader, statements: readonly Statement[], scope: ShellScope): void {
  for (const statement of statements)
    walkNode(reader, statement.command, statement.background === true ? copyScope(scope) : scope);
}

type RunnableNode =
  | Statement["command"]
  | Pipeline["commands"][number]
  | AndOr["commands"][number]
  | CompoundList;

/** A branch or a loop may not run: where it leaves the shell is then not sure, and its variables are further possibilities. */
function walkMaybe(reader: ShellReader, list: CompoundList | undefined, scope: ShellScope): void {
  if (list === undefined) return;
  const branch = copyScope(scope);
  walkNode(reader, list, branch);
  mergeScope(scope, branch);
}

function mergeScope(scope: ShellScope, branch: ShellScope): void {
  if (branch.cwd !== scope.cwd || !branch.isCwdSure) scope.isCwdSure = false;
  for (const [name, values] of branch.variables) {
    const own = scope.variables.get(name);
    if (own !== values) scope.variables.set(name, [...(own ?? []), ...values].slice(0, MAX_VARIABLE_VALUES));
  }
}

function walkNode(reader: ShellReader, node: RunnableNode, scope: ShellScope): void {
  switch (node.type) {
    case "Command":
      return walkCommand(reader, node, scope);
    case "Pipeline":
      for (const part of node.commands)
        walkNode(reader, part, node.commands.length > 1 ? copyScope(scope) : scope);
      return;
    case "AndOr":
      return walkAndOr(reader, node, scope);
    case "Redirected":
      tellRedirects(reader, node.redirects, scope);
      return walkNode(reader, node.command, scope);
    case "CompoundList":
      return walkStatements(reader, node.commands, scope);
    case "BraceGroup":
      return walkNode(reader, node.body, scope);
    case "Subshell":
    case "Function":
    case "Coproc":
      return walkNode(reader, node.body, copyScope(scope));
    default:
      return walkBranches(reader, node, scope);
  }
}

function walkBranches(
  reader: ShellReader,
  node: Exclude<
    RunnableNode,
    {
      type:
        | "Command"
        | "Pipeline"
        | "AndOr"
        | "Redirected"
        | "CompoundList"
        | "BraceGroup"
        | "Subshell"
        | "Function"
        | "Coproc";
    }
  >,
  scope: ShellScope,
): void {
  switch (node.type) {
    case "If":
      walkNode(reader, node.clause, scope);
      for (const list of [node.then, ...node.elif.flatMap((elif) => [elif.clause, elif.then]), node.else])
        walkMaybe(reader, list, scope);
      return;
    case "While":
      walkMaybe(reader, node.clause, scope);
      return walkMaybe(reader, node.body, scope);
    case "For":
    case "Select":
      scope.variables.set(node.name.value, evaluateAll(reader, node.wordlist ?? [], scope));
      return walkMaybe(reader, node.body, scope);
    case "ArithmeticFor":
      return walkMaybe(reader, node.body, scope);
    case "Case":
      return walkCase(reader, node, scope);
    default:
      return walkNested(reader, node, scope);
  }
}

function walkCase(reader: ShellReader, node: Case, scope: ShellScope): void {
  walkNested(reader, node.word, scope);
  for (const item of node.items) walkMaybe(reader, item.body, scope);
}

function walkAndOr(reader: ShellReader, node: AndOr, scope: ShellScope): void {
  for (const [index, part] of node.commands.entries()) {
    if (node.operators[index - 1] !== "||") walkNode(reader, part, scope);
    else {
      const branch = copyScope(scope);
      walkNode(reader, part, branch);
      mergeScope(scope, branch);
    }
  }
}

/** Commands in substitutions are run too, each in a shell of its own. */
function walkNested(reader: ShellReader, node: SyntaxNode, scope: ShellScope): void {
  if (node.type === "Script") walkStatements(reader, node.commands, copyScope(scope));
  else forEachChild(node, (child: SyntaxNode | ParsedScript) => walkNested(reader, child, scope));
}

function evaluateAll(reader: ShellReader, words: readonly Word[], scope: ShellScope): ShellValue[] {
  return words.flatMap((word) => {
    if (word.parts !== undefined) walkNested(reader, word, scope);
    return evaluateWord(word, scope);
  });
}

function tellRedirects(
  reader: ShellReader,
  redirects: readonly Redirection[],
  scope: ShellScope,
): string | null {
  let stdin: string | null = null;
  for (const redirect of redirects) {
    if (redirect.type === "HereDoc") {
      stdin = redirect.body.text;
      if (redirect.delimiter?.quoted !== true) walkNested(reader, redirect.body, scope);
      continue;
    }
    if (redirect.target === undefined) continue;
    const values = evaluateAll(reader, [redirect.target], scope);
    if (redirect.type === "HereString") stdin = values[0]?.isExact === true ? values[0].text : null;
    else if (!isDescriptor(redirect.operator, values) && !isProcess(redirect.target))
      for (const value of values)
        reader.tellFile(redirect.operator === "<" ? "read" : "write", value, {
          scope,
          detail: `${redirect.operator} redirection`,
        });
  }
  return stdin;
}

function isDescriptor(operator: string, values: readonly ShellValue[]): boolean {
  if (operator === "<&") return true;
  return operator === ">&" && /^(?:\d*-?)$/.test(values[0]?.text ?? "");
}

function isProcess(word: Word): boolean {
  return word.parts?.[0]?.type === "ProcessSubstitution";
}

function assign(reader: ShellReader, assignment: Assignment, scope: ShellScope): void {
  const { value, name } = assignment;
  if (value.type === "ArrayValue") {
    scope.variables.delete(name);
    return walkNested(reader, value, scope);
  }
  const values = evaluateAll(reader, [value], scope);
  if (assignment.append === true || assignment.index !== undefined) scope.variables.delete(name);
  else scope.variables.set(name, values);
}

function walkCommand(reader: ShellReader, node: Command, scope: ShellScope): void {
  const assignments = node.prefix.filter((item) => item.type === "Assignment");
  const inner = node.name === undefined ? scope : copyScope(scope);
  for (const assignment of assignments) assign(reader, assignment, inner);
  // The shell expands words before an assignment in front of the command counts.
  const stdin = tellRedirects(reader, node.redirects, scope);
  if (node.name === undefined) return;
  const [name, ...more] = evaluateAll(reader, [node.name], scope);
  if (name?.isExact !== true) return;
  if (ASSIGNERS.has(name.text))
    for (const argument of node.args) if (argument.type === "Assignment") assign(reader, argument, scope);
  const args = node.args.flatMap((argument) =>
    argument.type === "Word" ? evaluateAll(reader, [argument], scope) : [exactValue(argument.text)],
  );
  if (changeFolder(name.text, args, scope)) return;
  reader.runCommand({ name: name.text, args: [...more, ...args], scope, stdin });
}

/** `cd` and its like. False for other commands. */
function changeFolder(name: string, args: readonly ShellValue[], scope: ShellScope): boolean {
  if (name === "popd") scope.isCwdSure = false;
  if (name !== "cd" && name !== "pushd") return name === "popd";
  const target = args.find((value) => !/^-[LPe@]+$/.test(value.text) && value.text !== "--");
  const place = target ?? scope.variables.get("HOME")?.[0];
  const { cwd } = scope;
  if (place?.text === "-" && place.isExact) scope.cwd = scope.previousCwd;
  else if (place?.isExact === true) scope.cwd = resolveTarget(place, scope).path;
  else scope.isCwdSure = false;
  // From an absolute place on, it is known again where the shell is.
  if (place?.isExact === true && place.text.startsWith("/")) scope.isCwdSure = true;
  scope.previousCwd = cwd;
  return true;
}
