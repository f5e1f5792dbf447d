import { CanopyError } from "@canopy/protocol";
import { TomlError, parse } from "smol-toml";
import type { ManagedFile } from "./managed-file.ts";

const BEGIN = "# >>> canopy: written by `canopy setup`, removed by `canopy setup --uninstall` >>>";
const END = "# <<< canopy <<<";
const BLOCK = /(?:^|\r?\n)# >>> canopy: [\s\S]*?# <<< canopy <<<(?:\r?\n|$)/;

function check(path: string, text: string): Record<string, unknown> {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new CanopyError(
      "config.invalid",
      `${path} cannot be read as TOML: ${error.message.split("\n")[0] ?? ""}`,
      {
        hint: "mend the file first; nothing was changed",
      },
    );
  }
}

/** A TOML file with a marked block of ours at its end, so that every other line stays as it is. `table` is what the block defines. */
export function createTomlBlockFile(options: {
  readonly path: string;
  readonly mode: number;
  readonly lines: readonly string[];
  readonly table: readonly [string, string];
}): ManagedFile {
  const { path, mode, lines, table } = options;
  const hasBlock = (text: string): boolean => BLOCK.test(text);
  const render = (eol: string): string => [BEGIN, ...lines, END, ""].join(eol);
  const eolOf = (text: string): string => (text.includes("\r\n") ? "\r\n" : "\n");
  return {
    path,
    mode,
    insert: (text) => {
      const tables = check(path, text)[table[0]];
      if (typeof tables === "object" && tables !== null && Object.hasOwn(tables, table[1]))
        throw new CanopyError(
          "conflict",
          `${path} already has [${table.join(".")}], which is not of our making`,
          {
            hint: "remove it or rename it; nothing was changed",
          },
        );
      const eol = eolOf(text);
      const lead = text === "" || text.endsWith("\n") ? "" : eol;
      check(path, `${text}${lead}${render(eol)}`);
      return [{ offset: text.length, text: lead + render(eol) }];
    },
    isCurrent: (text) => text.includes(render(eolOf(text))),
    hasOwn: hasBlock,
    remove: (text) => text.replace(BLOCK, (block) => /^\r?\n/.exec(block)?.[0] ?? ""),
    isNothing: (text) => text.trim() === "",
  };
}
