import { tellWrites } from "./file-rules.ts";
import type { ShellCall, ShellReader } from "./shell-reader.ts";
import { exactValue } from "./shell-scope.ts";
import { hasFlag, lastValue, splitOptions } from "./split-options.ts";
import type { OptionTable } from "./split-options.ts";

type Rule = (reader: ShellReader, call: ShellCall) => void;

/**
 * `sed`: `-i` has a suffix only when it is attached (GNU), while on macOS the suffix is a word of its own (`sed -i '' ...`), which is
 * recognised when it is empty.
 */
function sed(reader: ShellReader, call: ShellCall): void {
  const args = call.args.map((value) =>
    // `-i.bak` and `-ibak` carry a suffix; what follows the i is not options.
    value.isExact ? { ...value, text: value.text.replace(/^(-[nErsuz]*i).*$/, "$1") } : value,
  );
  const split = splitOptions(args, { short: "efl", long: ["expression", "file", "line-length"] });
  const hasScript = lastValue(split, ["e", "expression", "f", "file"]) !== null;
  const isInPlace = hasFlag(split, ["i", "in-place"]);
  const plain = split.positional.filter((value, index) => index > 0 || value.text !== "" || !value.isExact);
  const files = hasScript ? plain : plain.slice(1);
  const about = { scope: call.scope, detail: isInPlace ? "sed -i" : "sed" };
  for (const file of files) reader.tellFile(isInPlace ? "write" : "read", file, about);
}

/** `perl -i`, `ruby -i`: options come in clusters (`-0pi.bak -e CODE`). */
function interpreter(reader: ShellReader, call: ShellCall): void {
  let isInPlace = false;
  let hasCode = false;
  const rest = [...call.args];
  const files = [];
  for (let next = rest.shift(); next !== undefined; next = rest.shift()) {
    if (next.isExact && next.text === "--") files.push(...rest.splice(0));
    else if (!next.isExact || !/^-./.test(next.text)) files.push(next);
    else {
      const cluster = /^-(?:[\w]*?)(i[^\s]*)?(e|E)?$/.test(next.text) ? next.text : "";
      isInPlace ||= /^-[a-hj-zA-DF-Z0-9]*i/.test(next.text) && !/^-[IMmx]/.test(next.text);
      if (/[eE]$/.test(cluster) && !/^-[IMm]/.test(next.text)) {
        hasCode = true;
        rest.shift();
      } else if (/^-[IMm]$/.test(next.text)) rest.shift();
    }
  }
  if (!isInPlace) return;
  const detail = `${call.name} -i`;
  for (const file of hasCode ? files : files.slice(1))
    reader.tellFile("write", file, { scope: call.scope, detail });
}

function awk(reader: ShellReader, call: ShellCall): void {
  const split = splitOptions(call.args, { short: "fFvi", long: ["file", "include", "assign"] });
  if (lastValue(split, ["i", "include"])?.text !== "inplace") return;
  const hasFile = lastValue(split, ["f", "file"]) !== null;
  for (const file of hasFile ? split.positional : split.positional.slice(1))
    reader.tellFile("write", file, { scope: call.scope, detail: "awk -i inplace" });
}

/** A formatter that rewrites the files and folders it is given when one of some options says so (or always). */
function formatter(needs: readonly string[], table: OptionTable & { readonly word?: string } = {}): Rule {
  return (reader, call) => {
    const split = splitOptions(call.args, table);
    if (needs.length > 0 && !hasFlag(split, needs)) return;
    if (needs.length === 0 && hasFlag(split, ["check", "diff", "c", "l", "list-different"])) return;
    const { positional } = split;
    if (table.word !== undefined && positional[0]?.text !== table.word) return;
    const given = table.word === undefined ? positional : positional.slice(1);
    const detail = table.word === undefined ? call.name : `${call.name} ${table.word}`;
    tellWrites(reader, given.length === 0 ? [exactValue(".")] : given, { scope: call.scope, detail });
  };
}

const CONFIG: OptionTable = { long: ["config", "ignore-path", "config-path", "ext", "rule"], short: "c" };

function ruff(reader: ShellReader, call: ShellCall): void {
  const isFix = call.args[0]?.text === "check";
  formatter(isFix ? ["fix"] : [], { ...CONFIG, word: isFix ? "check" : "format" })(reader, call);
}

function biome(reader: ShellReader, call: ShellCall): void {
  const word = call.args[0]?.text;
  if (word === "check" || word === "format" || word === "lint")
    formatter(["write", "fix", "apply"], { ...CONFIG, word })(reader, call);
}

/** Commands that change files where they are. */
export const IN_PLACE_RULES: Readonly<Record<string, Rule>> = {
  sed,
  perl: interpreter,
  ruby: interpreter,
  awk,
  gawk: awk,
  prettier: formatter(["write", "w"], CONFIG),
  eslint: formatter(["fix"], CONFIG),
  oxfmt: formatter([], CONFIG),
  gofmt: formatter(["w"], { short: "r" }),
  goimports: formatter(["w"], { short: "r" }),
  black: formatter([], CONFIG),
  isort: formatter([], CONFIG),
  rustfmt: formatter([], { long: ["edition", "config"] }),
  cargo: formatter([], { word: "fmt" }),
  ruff,
  biome,
};
