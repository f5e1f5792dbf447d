import type { ShellCall, ShellReader } from "./shell-reader.ts";
import { exactValue } from "./shell-scope.ts";
import type { ShellValue } from "./shell-scope.ts";
import { hasFlag, lastValue, splitOptions } from "./split-options.ts";
import type { OptionTable } from "./split-options.ts";

type Rule = (reader: ShellReader, call: ShellCall) => void;

interface CopyForm extends OptionTable {
  /** Options under which folders go whole. */
  readonly treeFlags?: readonly string[];
  /** Whether the sources are gone afterwards. */
  readonly isMove?: boolean;
}

const TARGET: OptionTable = { short: "tS", long: ["target-directory", "suffix"] };

function copy(form: CopyForm): Rule {
  return (reader, call) => {
    const split = splitOptions(call.args, form);
    const folder = lastValue(split, ["t", "target-directory"]);
    const sources = folder === null ? split.positional.slice(0, -1) : split.positional;
    const destination = folder ?? split.positional.at(-1);
    if (destination === undefined || sources.length === 0) return;
    const isTree = form.treeFlags !== undefined && hasFlag(split, form.treeFlags);
    const isFolder = folder !== null || (sources.length > 1 && !hasFlag(split, ["T", "no-target-directory"]));
    const about = { scope: call.scope, detail: call.name, isTree, isFolder };
    for (const source of sources) {
      if (form.isMove === true) reader.tellFile("move", source, { scope: call.scope, detail: call.name });
      reader.tellArrival(source, destination, about);
    }
  };
}

function install(reader: ShellReader, call: ShellCall): void {
  const table = { short: "tSmgo", long: ["target-directory", "suffix", "mode", "owner", "group"] };
  if (!hasFlag(splitOptions(call.args, table), ["d", "directory"])) copy(table)(reader, call);
}

/** `ln TARGET LINK`, `ln TARGET` (a link of the same name here), `ln TARGET... FOLDER`. */
function link(reader: ShellReader, call: ShellCall): void {
  const split = splitOptions(call.args, TARGET);
  const here = exactValue(".");
  const { positional } = split;
  if (positional.length === 1 && lastValue(split, ["t", "target-directory"]) === null)
    reader.tellArrival(positional[0] ?? here, here, { scope: call.scope, detail: "ln", isFolder: true });
  else copy(TARGET)(reader, call);
}

const RSYNC: OptionTable = {
  short: "efBTM",
  long: ["exclude", "include", "filter", "rsh", "files-from", "exclude-from", "include-from", "backup-dir"],
};

/** `rsync`: everything at and below its destination, unless that is on another machine. */
function rsync(reader: ShellReader, call: ShellCall): void {
  const split = splitOptions(call.args, RSYNC);
  const destination = split.positional.at(-1);
  if (destination === undefined || split.positional.length < 2) return;
  if (hasFlag(split, ["n", "dry-run"]) || isRemote(destination)) return;
  const detail = split.flags.has("delete") ? "rsync --delete" : "rsync";
  reader.tellFile("write", destination, { scope: call.scope, detail, isTree: true });
}

function scp(reader: ShellReader, call: ShellCall): void {
  const { positional } = splitOptions(call.args, { short: "PiFoJlcS" });
  const destination = positional.at(-1);
  if (destination === undefined || positional.length < 2 || isRemote(destination)) return;
  const about = { scope: call.scope, detail: "scp", isFolder: positional.length > 2 };
  for (const source of positional.slice(0, -1)) reader.tellArrival(withoutHost(source), destination, about);
}

function withoutHost(value: ShellValue): ShellValue {
  const count = isRemote(value) ? value.text.indexOf(":") + 1 : 0;
  return { ...value, text: value.text.slice(count), pattern: value.pattern.slice(count) };
}

function isRemote(value: ShellValue): boolean {
  return /^[^/]+:/.test(value.text);
}

/** Commands with sources and a destination. */
export const COPY_RULES: Readonly<Record<string, Rule>> = {
  mv: copy({ ...TARGET, isMove: true }),
  cp: copy({ ...TARGET, treeFlags: ["r", "R", "a", "recursive", "archive"] }),
  install,
  ln: link,
  link,
  rsync,
  scp,
};
