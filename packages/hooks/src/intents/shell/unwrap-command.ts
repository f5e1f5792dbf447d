import { basename } from "node:path";
import { resolveTarget } from "./resolve-target.ts";
import type { ShellCall, ShellReader } from "./shell-reader.ts";
import { UNKNOWN_VALUE as UNKNOWN, copyScope, exactValue } from "./shell-scope.ts";
import type { ShellValue } from "./shell-scope.ts";
import { hasFlag, lastValue, splitOptions } from "./split-options.ts";
import type { OptionTable, SplitArguments } from "./split-options.ts";

interface Wrapper extends OptionTable {
  /** Plain arguments before the command. */
  readonly skip?: number;
  /** The word before the command, as in `pnpm exec`; without it there is no command. */
  readonly words?: readonly string[];
}

/** Commands that run the command in their arguments. */
const WRAPPERS: Readonly<Record<string, Wrapper>> = {
  sudo: { short: "ugpCThrtDRU", long: ["user", "group", "prompt", "chdir", "host"] },
  doas: { short: "uC" },
  env: { short: "uCS", long: ["unset", "chdir", "split-string"] },
  nohup: {},
  setsid: {},
  time: { short: "fo", long: ["format", "output"] },
  nice: { short: "n", long: ["adjustment"] },
  ionice: { short: "cnpPu" },
  stdbuf: { short: "ioe", long: ["input", "output", "error"] },
  timeout: { short: "ks", long: ["kill-after", "signal"], skip: 1 },
  gtimeout: { short: "ks", long: ["kill-after", "signal"], skip: 1 },
  command: {},
  builtin: {},
  exec: { short: "a" },
  busybox: {},
  strace: { short: "eopsSuE" },
  unbuffer: {},
  flock: { short: "wEc", long: ["timeout", "command"], skip: 1 },
  npx: { short: "pc", long: ["package", "call"] },
  bunx: {},
  pnpx: {},
  npm: { words: ["exec", "x"] },
  pnpm: { words: ["exec", "dlx"] },
  yarn: { words: ["exec", "dlx", "run"] },
  bundle: { words: ["exec"] },
  uv: { words: ["run"] },
  poetry: { words: ["run"] },
  pipenv: { words: ["run"] },
  mise: { words: ["exec", "x"] },
};

const SHELLS = new Set(["sh", "bash", "dash", "zsh", "ksh", "ash"]);
const ASSIGNMENT = /^[A-Za-z_]\w*=/;

/** The command in the arguments of a wrapper, or null when this is none or runs nothing. */
export function unwrapCommand(reader: ShellReader, call: ShellCall): ShellCall | null {
  const wrapper = Object.hasOwn(WRAPPERS, call.name) ? WRAPPERS[call.name] : undefined;
  if (wrapper === undefined) return null;
  const split = splitOptions(call.args, { ...wrapper, stopsAtFirst: true });
  if (call.name === "command" && hasFlag(split, ["v", "V"])) return null;
  const script = lastValue(split, ["S", "split-string", "c", "call", "command"]);
  if (script?.isExact === true && /^(?:env|npx|flock)$/.test(call.name))
    reader.runScript(script.text, copyScope(call.scope));
  const plain = split.positional.filter((value) => value.text !== "--");
  const words = wrapper.words === undefined ? plain : afterWord(plain, wrapper.words);
  const rest = words.slice(wrapper.skip ?? 0);
  const first = rest.findIndex((value) => !ASSIGNMENT.test(value.text));
  const name = first === -1 ? undefined : rest[first];
  if (name?.isExact !== true) return null;
  return { ...call, name: name.text, args: rest.slice(first + 1), scope: movedScope(call, split) };
}

function afterWord(plain: readonly ShellValue[], words: readonly string[]): readonly ShellValue[] {
  return words.includes(plain[0]?.text ?? "") ? plain.slice(1) : [];
}

function movedScope(call: ShellCall, split: SplitArguments): ShellCall["scope"] {
  const names = { env: ["C", "chdir"], sudo: ["D", "chdir"] }[call.name] ?? [];
  const folder = lastValue(split, names);
  if (folder?.isExact !== true) return call.scope;
  return { ...copyScope(call.scope), cwd: resolveTarget(folder, call.scope).path };
}

/** A shell that is given its script as an argument or as input. False when this is no shell. */
export function runShell(reader: ShellReader, call: ShellCall): boolean {
  if (call.name === "eval") {
    if (call.args.every((value) => value.isExact))
      reader.runScript(call.args.map((value) => value.text).join(" "), call.scope);
    return true;
  }
  if (!SHELLS.has(basename(call.name))) return false;
  const split = splitOptions(call.args, { short: "oO", long: ["rcfile", "init-file"], stopsAtFirst: true });
  const script = split.positional[0];
  if (hasFlag(split, ["c"])) {
    if (script?.isExact === true) reader.runScript(script.text, copyScope(call.scope));
  } else if (call.stdin !== null && (script === undefined || hasFlag(split, ["s"])))
    reader.runScript(call.stdin, copyScope(call.scope));
  return true;
}

/** `xargs`: its command gets arguments that nobody knows yet. */
export function runXargs(reader: ShellReader, call: ShellCall): void {
  const split = splitOptions(call.args, {
    short: "ILnPsdEa",
    long: ["replace", "max-args", "max-procs", "delimiter", "arg-file", "max-lines", "max-chars"],
    stopsAtFirst: true,
  });
  const [name, ...args] = split.positional;
  if (name?.isExact !== true) return;
  const mark = lastValue(split, ["I", "replace"])?.text ?? (hasFlag(split, ["i"]) ? "{}" : null);
  const filled = mark === null ? [...args, UNKNOWN] : args.map((value) => replaceMark(value, mark, UNKNOWN));
  reader.runCommand({ ...call, name: name.text, args: filled, stdin: null });
}

function replaceMark(value: ShellValue, mark: string, by: ShellValue): ShellValue {
  if (mark === "" || !value.text.includes(mark)) return value;
  return {
    text: value.text,
    pattern: value.text.replaceAll(mark, by.pattern),
    isExact: false,
    isGuess: by.isGuess,
  };
}

/** `find`: what it deletes, and what it runs with each of its finds. */
export function runFind(reader: ShellReader, call: ShellCall): void {
  const split = call.args.findIndex((value) => /^(?:-(?![HLPOD])|[(!])/.test(value.text));
  const roots = (split === -1 ? call.args : call.args.slice(0, split)).filter(
    (value) => !value.text.startsWith("-"),
  );
  const expression = split === -1 ? [] : call.args.slice(split);
  const name = expression[expression.findIndex((value) => /^-i?name$/.test(value.text)) + 1];
  const named = expression.some((value) => /^-i?name$/.test(value.text)) ? (name?.text ?? "*") : null;
  const starts = roots.length === 0 ? [exactValue(".")] : roots;
  const isGuess = hasOtherTests(expression);
  for (const root of starts) {
    const pattern = `${root.pattern.replace(/\/$/, "")}/**${named === null ? "" : `/${named}`}`;
    runFindActions(
      reader,
      { ...call, args: expression },
      {
        text: "",
        pattern,
        isExact: false,
        isGuess: isGuess || root.isGuess,
      },
    );
  }
}

/** Told by name and kind alone, the finds are what a glob says; any other test may leave some of them out. */
function hasOtherTests(expression: readonly ShellValue[]): boolean {
  const end = expression.findIndex((value) => /^-(?:exec|ok)(?:dir)?$/.test(value.text));
  const tests = end === -1 ? expression : expression.slice(0, end);
  return tests.some((value) => /^-(?!i?name$|type$|maxdepth$|print0?$|delete$)[a-z]/.test(value.text));
}

function runFindActions(reader: ShellReader, call: ShellCall, found: ShellValue): void {
  const { args, scope } = call;
  for (const [index, value] of args.entries()) {
    if (value.text === "-delete") reader.tellFile("delete", found, { scope, detail: "find -delete" });
    if (/^-f(?:print0?|printf|ls)$/.test(value.text) && args[index + 1] !== undefined)
      reader.tellFile("write", args[index + 1] ?? found, { scope, detail: `find ${value.text}` });
    if (!/^-(?:exec|ok)(?:dir)?$/.test(value.text)) continue;
    const end = args.findIndex((item, at) => at > index && /^[;+]$/.test(item.text));
    const [command, ...rest] = args.slice(index + 1, end === -1 ? undefined : end);
    if (command?.isExact === true)
      reader.runCommand({
        ...call,
        name: command.text,
        args: rest.map((item) => replaceMark(item, "{}", found)),
      });
  }
}
