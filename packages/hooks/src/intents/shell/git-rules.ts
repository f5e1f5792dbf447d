import { readDiffIntents } from "../read-patch-intents.ts";
import type { FileIntent, GitTouches } from "../tool-intent.ts";
import { resolveTarget } from "./resolve-target.ts";
import type { ShellCall, ShellReader } from "./shell-reader.ts";
import { copyScope, exactValue } from "./shell-scope.ts";
import type { ShellScope, ShellValue } from "./shell-scope.ts";
import { hasFlag, lastValue, splitOptions } from "./split-options.ts";
import type { OptionTable, SplitArguments } from "./split-options.ts";

/** A git subcommand taken apart. */
interface GitCall {
  readonly operation: string;
  readonly args: readonly ShellValue[];
  readonly scope: ShellScope;
  readonly stdin: string | null;
  readonly reader: ShellReader;
}

type GitRule = (call: GitCall) => void;

const GLOBAL: OptionTable = {
  short: "Cc",
  long: ["git-dir", "work-tree", "namespace", "exec-path", "config-env"],
  stopsAtFirst: true,
};

/** `git`: what its subcommand does to the work tree, the index or the refs. */
export function readGit(reader: ShellReader, call: ShellCall): void {
  const split = splitOptions(call.args, GLOBAL);
  const [operation, ...args] = split.positional;
  if (operation?.isExact !== true) return;
  const scope = copyScope(call.scope);
  for (const { name, value } of split.values)
    if (name === "C" || name === "work-tree") {
      const place = resolveTarget(value, scope);
      scope.cwd = place.path;
      scope.isCwdSure &&= place.certainty === "sure";
    }
  const rule = Object.hasOwn(RULES, operation.text) ? RULES[operation.text] : undefined;
  rule?.({ operation: operation.text, args, scope, stdin: call.stdin, reader });
}

/** Tells a git intent, and with pathspecs what happens to each of them. */
function tellGit(
  call: GitCall,
  touches: GitTouches,
  limits: {
    readonly specs?: readonly ShellValue[];
    readonly kind?: FileIntent["kind"];
    readonly word?: string;
  } = {},
): void {
  const specs = (limits.specs ?? []).map(toPlainSpec);
  const targets = specs.map((spec) => resolveTarget(spec, call.scope));
  const detail = ["git", call.operation, limits.word].filter((text) => text !== undefined).join(" ");
  const isSure = targets.length > 0 && targets.every((target) => target.certainty === "sure");
  call.reader.tell({
    kind: "git",
    operation: call.operation,
    touches,
    path: call.scope.cwd,
    pathspecs: targets.map((target) => target.glob ?? target.path),
    certainty: targets.length === 0 ? "whole-tree" : isSure ? "sure" : "likely",
    detail,
  });
  if (touches !== "worktree") return;
  for (const spec of specs)
    call.reader.tellFile(limits.kind ?? "write", spec, {
      scope: call.scope,
      detail,
      isTree: call.reader.isFolder(spec, call.scope),
    });
}

/** git globs in pathspecs by itself, also when the shell does not; `:/` and `:(magic)` are not followed. */
function toPlainSpec(spec: ShellValue): ShellValue {
  if (spec.isExact && /^:[/(!^]/.test(spec.text))
    return { text: "", pattern: "**", isExact: false, isGuess: true };
  return spec.isExact && /[*?[]/.test(spec.text) ? { ...spec, pattern: spec.text, isExact: false } : spec;
}

const simple =
  (touches: GitTouches, quietFlags: readonly string[] = []): GitRule =>
  (call) => {
    const split = splitOptions(call.args);
    if (!hasFlag(split, [...quietFlags, "h", "help"])) tellGit(call, touches);
  };

function stash(call: GitCall): void {
  const word = call.args[0]?.text.startsWith("-") === false ? call.args[0].text : "push";
  if (word === "list" || word === "show" || word === "create") return;
  if (word === "drop" || word === "clear" || word === "store") return tellGit(call, "refs", { word });
  const split = splitOptions(call.args, { short: "m", long: ["message"] });
  const specs =
    word === "push" ? (split.afterDashes ?? split.positional.filter(({ text }) => text !== "push")) : [];
  tellGit(call, "worktree", { word, specs });
}

/** Pathspecs of `git checkout`, which may name a commit first; what is a path is asked of the work tree, as git does. */
function checkoutSpecs(call: GitCall, split: SplitArguments): readonly ShellValue[] {
  if (split.afterDashes !== null) return split.afterDashes;
  const isPath = (value: ShellValue): boolean =>
    !value.isExact ||
    value.text === "." ||
    /^\.{1,2}\//.test(value.text) ||
    call.reader.host.kindOf(resolveTarget(value, call.scope).path) !== "none";
  const [first, ...rest] = split.positional;
  if (first === undefined) return [];
  return isPath(first) ? split.positional : rest;
}

function checkout(call: GitCall): void {
  const split = splitOptions(call.args, {
    short: "bB",
    long: ["orphan", "conflict", "pathspec-from-file"],
  });
  if (hasFlag(split, ["b", "B", "orphan"]))
    return tellGit(call, split.positional.length > 0 ? "worktree" : "refs", { word: "-b" });
  if (split.positional.length === 0 && split.flags.size === 0) return;
  tellGit(call, "worktree", { specs: checkoutSpecs(call, split) });
}

function switchBranch(call: GitCall): void {
  const split = splitOptions(call.args, { short: "cC", long: ["create", "force-create", "orphan"] });
  const isNew = hasFlag(split, ["c", "C", "create", "force-create", "orphan"]);
  if (isNew && split.positional.length === 0) return tellGit(call, "refs", { word: "-c" });
  tellGit(call, "worktree");
}

function restore(call: GitCall): void {
  const split = splitOptions(call.args, { short: "s", long: ["source", "pathspec-from-file"] });
  const isIndexOnly = hasFlag(split, ["S", "staged"]) && !hasFlag(split, ["W", "worktree"]);
  tellGit(call, isIndexOnly ? "index" : "worktree", { specs: split.positional });
}

function reset(call: GitCall): void {
  const split = splitOptions(call.args);
  const word = ["hard", "merge", "keep", "soft"].find((name) => split.flags.has(name));
  if (word === "soft") return tellGit(call, "refs", { word: "--soft" });
  if (word !== undefined) return tellGit(call, "worktree", { word: `--${word}` });
  const specs = split.afterDashes ?? split.positional.slice(1);
  tellGit(call, "index", { specs });
}

function clean(call: GitCall): void {
  const split = splitOptions(call.args, { short: "e", long: ["exclude"] });
  if (hasFlag(split, ["n", "dry-run"])) return;
  tellGit(call, "worktree", { specs: split.positional, kind: "delete" });
}

function add(call: GitCall): void {
  const split = splitOptions(call.args, { long: ["chmod", "pathspec-from-file"] });
  if (hasFlag(split, ["n", "dry-run"])) return;
  const isAll = hasFlag(split, ["A", "all", "u", "update"]) && split.positional.length === 0;
  tellGit(call, "index", isAll ? { word: "-A" } : { specs: split.positional });
}

function commit(call: GitCall): void {
  const split = splitOptions(call.args, {
    short: "mFCct",
    long: ["message", "file", "author", "date", "fixup", "squash", "reuse-message", "trailer", "cleanup"],
  });
  if (hasFlag(split, ["dry-run"])) return;
  tellGit(call, "index", hasFlag(split, ["a", "all"]) ? { word: "-a" } : { specs: split.positional });
}

function remove(call: GitCall): void {
  const split = splitOptions(call.args, { long: ["pathspec-from-file"] });
  if (hasFlag(split, ["n", "dry-run"])) return;
  tellGit(call, split.flags.has("cached") ? "index" : "worktree", {
    specs: split.positional,
    kind: "delete",
  });
}

function move(call: GitCall): void {
  const split = splitOptions(call.args);
  if (hasFlag(split, ["n", "dry-run"])) return;
  const sources = split.positional.slice(0, -1);
  const destination = split.positional.at(-1);
  tellGit(call, "worktree", { specs: sources, kind: "move" });
  if (destination === undefined) return;
  const about = { scope: call.scope, detail: "git mv", isFolder: sources.length > 1 };
  for (const source of sources) call.reader.tellArrival(source, destination, about);
}

/** `git apply`: the files of a diff at hand, else anything. */
function apply(call: GitCall): void {
  const split = splitOptions(call.args, {
    short: "pC",
    long: ["directory", "exclude", "include", "whitespace"],
  });
  if (hasFlag(split, ["check", "stat", "numstat", "summary"])) return;
  if (split.flags.has("cached")) return tellGit(call, "index");
  const strip = Number(lastValue(split, ["p"])?.text ?? "1");
  const place = { cwd: call.scope.cwd, detail: "git apply" };
  const known = call.stdin === null ? [] : readDiffIntents(call.stdin, place, strip);
  tellGit(call, "worktree", { specs: known.map(({ path }) => exactValue(path)) });
}

function branch(call: GitCall): void {
  const split = splitOptions(call.args, {
    short: "u",
    long: ["set-upstream-to", "format", "sort", "contains"],
  });
  const flags = ["d", "D", "m", "M", "f", "delete", "move", "force", "c", "C", "copy"];
  if (hasFlag(split, flags)) tellGit(call, "refs");
}

function worktree(call: GitCall): void {
  const word = call.args[0]?.text ?? "";
  const split = splitOptions(call.args.slice(1), { short: "bB", long: ["reason", "orphan"] });
  const path = word === "move" ? split.positional.at(-1) : split.positional[0];
  if (!["add", "remove", "move"].includes(word) || path === undefined) return;
  tellGit(call, "refs", { word });
  call.reader.tellFile(word === "remove" ? "delete" : "write", path, {
    scope: call.scope,
    detail: `git worktree ${word}`,
    isTree: true,
  });
}

function onWords(words: readonly string[], touches: GitTouches): GitRule {
  return (call) => {
    const word = call.args[0]?.text ?? "";
    if (words.includes(word)) tellGit(call, touches, { word });
  };
}

function tag(call: GitCall): void {
  if (hasFlag(splitOptions(call.args), ["d", "delete", "f", "force"])) tellGit(call, "refs");
}

const RULES: Readonly<Record<string, GitRule>> = {
  stash,
  checkout,
  switch: switchBranch,
  restore,
  reset,
  clean,
  rebase: simple("worktree", ["show-current-patch", "edit-todo", "quit"]),
  merge: simple("worktree", ["quit"]),
  pull: simple("worktree", ["dry-run"]),
  "cherry-pick": simple("worktree", ["quit"]),
  revert: simple("worktree", ["quit"]),
  am: simple("worktree", ["quit", "show-current-patch"]),
  apply,
  rm: remove,
  mv: move,
  add,
  stage: add,
  commit,
  bisect: onWords(["start", "good", "bad", "new", "old", "skip", "reset", "run", "replay"], "worktree"),
  "read-tree": simple("worktree"),
  "checkout-index": simple("worktree"),
  "update-index": simple("index"),
  "sparse-checkout": onWords(["set", "add", "disable", "reapply", "init"], "worktree"),
  submodule: onWords(["update", "add", "deinit", "sync", "foreach", "absorbgitdirs"], "worktree"),
  "filter-branch": simple("worktree"),
  "filter-repo": simple("worktree", ["dry-run"]),
  branch,
  tag,
  worktree,
  push: simple("refs", ["n", "dry-run"]),
  "update-ref": simple("refs"),
  "symbolic-ref": simple("refs"),
  reflog: onWords(["expire", "delete"], "refs"),
};
