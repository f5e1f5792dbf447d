import { readDiffIntents, readPatchIntents } from "../read-patch-intents.ts";
import type { FileIntent } from "../tool-intent.ts";
import type { ShellCall, ShellReader } from "./shell-reader.ts";
import { exactValue } from "./shell-scope.ts";
import type { ShellValue } from "./shell-scope.ts";
import { hasFlag, lastValue, splitOptions } from "./split-options.ts";
import type { OptionTable } from "./split-options.ts";

type Rule = (reader: ShellReader, call: ShellCall) => void;

/** A command that does one thing to each of its plain arguments. */
function onEach(kind: FileIntent["kind"], table: OptionTable = {}, drop = 0): Rule {
  return (reader, call) => {
    const { positional } = splitOptions(call.args, table);
    for (const value of positional.slice(drop))
      reader.tellFile(kind, value, { scope: call.scope, detail: call.name });
  };
}

/** A command that writes the file one of its options names. */
function onOption(names: readonly string[], table: OptionTable): Rule {
  return (reader, call) => {
    const split = splitOptions(call.args, table);
    for (const { name, value } of split.values)
      if (names.includes(name) && value.text !== "-")
        reader.tellFile("write", value, { scope: call.scope, detail: `${call.name} -${name}` });
  };
}

function remove(reader: ShellReader, call: ShellCall): void {
  const split = splitOptions(call.args);
  const isTree = hasFlag(split, ["r", "R", "recursive"]);
  for (const value of split.positional)
    reader.tellFile("delete", value, {
      scope: call.scope,
      detail: isTree ? `${call.name} -r` : call.name,
      isTree,
    });
}

/** `chmod MODE FILE...`, where a mode may look like an option. */
function changeMode(reader: ShellReader, call: ShellCall): void {
  const isTree = call.args.some((value) => /^(?:-[a-zA-Z]*R|--recursive$)/.test(value.text));
  const plain = call.args.filter(
    (value) => !/^--?[A-Za-z]*R?$/.test(value.text) || /^-[rwxXst]+$/.test(value.text),
  );
  const hasReference = call.args.some((value) => value.text.startsWith("--reference"));
  for (const value of plain.filter((item) => !item.text.startsWith("--")).slice(hasReference ? 0 : 1))
    reader.tellFile("write", value, { scope: call.scope, detail: call.name, isTree });
}

function dd(reader: ShellReader, call: ShellCall): void {
  for (const value of call.args)
    if (value.text.startsWith("of="))
      reader.tellFile(
        "write",
        { ...value, text: value.text.slice(3), pattern: value.pattern.slice(3) },
        { scope: call.scope, detail: "dd of=" },
      );
}

/** `patch`: the files its diff names when the diff is at hand, else anything in its folder. */
function patch(reader: ShellReader, call: ShellCall): void {
  const split = splitOptions(call.args, {
    short: "bdDFgiopPrVYzB",
    long: ["strip", "input", "directory", "output"],
  });
  if (hasFlag(split, ["dry-run", "C"])) return;
  const { scope } = call;
  const about = { scope, detail: "patch" };
  const folder = lastValue(split, ["d", "directory"]) ?? exactValue(".");
  const file = lastValue(split, ["o", "output"]) ?? split.positional[0];
  if (file !== undefined) return reader.tellFile("write", file, about);
  const strip = Number(lastValue(split, ["p", "strip"])?.text ?? "0");
  const known =
    call.stdin === null || !folder.isExact || !scope.isCwdSure
      ? []
      : readDiffIntents(call.stdin, { cwd: `${scope.cwd}/${folder.text}`, detail: "patch" }, strip);
  if (known.length > 0) for (const intent of known) reader.tell(intent);
  else reader.tellFile("write", folder, { ...about, isTree: true });
}

/** `apply_patch`, which Codex models also call as a command. */
function applyPatch(reader: ShellReader, call: ShellCall): void {
  const text = call.stdin ?? call.args[0]?.text ?? "";
  for (const intent of readPatchIntents(text, { cwd: call.scope.cwd, detail: "apply_patch" }))
    reader.tell(intent);
}

/** `tar`: an archive that is written, or a folder that things are taken out into. */
function tar(reader: ShellReader, call: ShellCall): void {
  const [first, ...rest] = call.args;
  // The oldest form has no dash: `tar xzf FILE`.
  const bundled = first !== undefined && /^[A-Za-z]+$/.test(first.text);
  const args = bundled ? [exactValue(`-${first.text}`), ...rest] : call.args;
  const split = splitOptions(args, { short: "fCTXbg", long: ["file", "directory", "exclude", "files-from"] });
  const about = { scope: call.scope, detail: "tar" };
  const archive = lastValue(split, ["f", "file"]);
  if (hasFlag(split, ["x", "extract", "get"]) && !hasFlag(split, ["O", "to-stdout"]))
    reader.tellFile("write", lastValue(split, ["C", "directory"]) ?? exactValue("."), {
      ...about,
      isTree: true,
    });
  else if (
    hasFlag(split, ["c", "create", "r", "u", "append", "update"]) &&
    archive !== null &&
    archive.text !== "-"
  )
    reader.tellFile("write", archive, about);
}

function unzip(reader: ShellReader, call: ShellCall): void {
  const split = splitOptions(call.args, { short: "dxP" });
  if (hasFlag(split, ["l", "t", "p", "c", "Z"])) return;
  reader.tellFile("write", lastValue(split, ["d"]) ?? exactValue("."), {
    scope: call.scope,
    detail: "unzip",
    isTree: true,
  });
}

/** `curl -O URL` and `wget URL` write the URL's last name into the folder. */
function download(reader: ShellReader, call: ShellCall): void {
  const isCurl = call.name === "curl";
  const split = splitOptions(call.args, {
    short: isCurl ? "oXHdFuAbceTwmxEK" : "OPoatUi",
    long: ["output", "request", "header", "data", "output-document", "directory-prefix", "user"],
  });
  const about = { scope: call.scope, detail: call.name };
  const named = lastValue(split, isCurl ? ["o", "output"] : ["O", "output-document"]);
  if (named !== null) return named.text === "-" ? undefined : reader.tellFile("write", named, about);
  if (isCurl && !hasFlag(split, ["O", "remote-name"])) return;
  const folder = lastValue(split, ["P", "directory-prefix"])?.text ?? ".";
  for (const url of split.positional) {
    const name = /^[a-z]+:\/\/[^/]+\/(?:[^?#]*\/)?([^/?#]+)/.exec(url.text)?.[1];
    if (name !== undefined) reader.tellFile("write", exactValue(`${folder}/${name}`), about);
  }
}

function compress(reader: ShellReader, call: ShellCall): void {
  const split = splitOptions(call.args, { short: "S" });
  if (hasFlag(split, ["c", "stdout", "t", "test", "l", "list"])) return;
  const kind = hasFlag(split, ["k", "keep"]) ? "read" : "move";
  for (const value of split.positional)
    reader.tellFile(kind, value, { scope: call.scope, detail: call.name });
}

const read = onEach("read", { short: "ncs", long: ["lines", "bytes"] });
const edit = onEach("write");

/** Commands with plain rules: what they delete, write or read is in their arguments. */
export const FILE_RULES: Readonly<Record<string, Rule>> = {
  rm: remove,
  unlink: remove,
  rmdir: remove,
  shred: remove,
  trash: remove,
  "trash-put": remove,
  touch: onEach("write", { short: "drt", long: ["date", "reference", "time"] }),
  truncate: onEach("write", { short: "rs", long: ["reference", "size"] }),
  tee: edit,
  sponge: edit,
  ed: edit,
  ex: onEach("write", { short: "c" }),
  chmod: changeMode,
  dd,
  patch,
  apply_patch: applyPatch,
  applypatch: applyPatch,
  tar,
  bsdtar: tar,
  unzip,
  curl: download,
  wget: download,
  gzip: compress,
  gunzip: compress,
  xz: compress,
  zstd: onOption(["o"], { short: "oTD" }),
  zip: (reader, call) => {
    const archive = splitOptions(call.args, { short: "xi" }).positional[0];
    if (archive !== undefined) reader.tellFile("write", archive, { scope: call.scope, detail: "zip" });
  },
  sort: onOption(["o", "output"], { short: "oktST", long: ["output", "key"] }),
  cat: onEach("read"),
  head: read,
  tail: read,
  less: onEach("read"),
  more: onEach("read"),
  nl: onEach("read"),
  bat: onEach("read", { short: "rl", long: ["line-range", "language"] }),
};

/** What a formatter rewrites, as a value list; used by the rules of commands that change files in place. */
export function tellWrites(
  reader: ShellReader,
  values: readonly ShellValue[],
  about: { readonly scope: ShellCall["scope"]; readonly detail: string },
): void {
  for (const value of values)
    reader.tellFile("write", value, { ...about, isTree: reader.isFolder(value, about.scope) });
}
