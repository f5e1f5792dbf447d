import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { runGit, splitNul } from "./run-git.ts";

/** A person as git names them. */
export interface Person {
  readonly name: string;
  readonly email: string;
}

/**
 * What of the person's configuration decides how files are written to and read from a working tree. It is copied into
 * the private git directories that Canopy makes, so that an agent's git behaves as the person's would.
 */
export interface CheckoutSettings {
  /** The person's `user.name` and `user.email`, null when either is missing. */
  readonly person: Person | null;
  /** Allow-listed keys with their values, in the order they apply. */
  readonly entries: readonly (readonly [key: string, value: string])[];
  /** Content for `info/exclude`: the person's global ignore file, then the repository's own. */
  readonly exclude: string;
  /** Content for `info/attributes`. */
  readonly attributes: string;
}

const KEPT_KEYS = new Set([
  "core.autocrlf",
  "core.eol",
  "core.filemode",
  "core.ignorecase",
  "core.precomposeunicode",
  "core.safecrlf",
  "core.symlinks",
  "core.bigfilethreshold",
  "core.compression",
  "merge.renames",
  "merge.directoryrenames",
  "merge.renamelimit",
  "diff.renames",
  "init.defaultbranch",
]);
const KEPT_SECTIONS = ["filter.", "merge."];

function isKept(key: string): boolean {
  if (KEPT_KEYS.has(key)) return true;
  // `filter.NAME.clean` and `merge.NAME.driver`: three parts, where the name may hold dots.
  return KEPT_SECTIONS.some((section) => key.startsWith(section) && key.split(".").length >= 3);
}

async function readText(path: string | null): Promise<string> {
  if (path === null) return "";
  const text = await readFile(path, "utf8").catch(() => "");
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}

function expandHome(path: string): string {
  return path.startsWith("~/") ? join(homedir(), path.slice(2)) : path;
}

function personalFile(configured: string | undefined, name: string): string | null {
  if (configured === "") return null;
  if (configured !== undefined) {
    const path = expandHome(configured);
    return isAbsolute(path) ? path : null;
  }
  const root = process.env["XDG_CONFIG_HOME"] ?? join(homedir(), ".config");
  return join(root, "git", name);
}

function parseConfigList(output: Buffer): [string, string][] {
  return splitNul(output).map((item) => {
    const newline = item.indexOf("\n");
    return newline < 0 ? [item, "true"] : [item.slice(0, newline), item.slice(newline + 1)];
  });
}

/** Reads the person's effective configuration of a repository: one git call and four small files. */
export async function readCheckoutSettings(
  commonDir: string,
  signal?: AbortSignal,
): Promise<CheckoutSettings> {
  const output = await runGit({
    args: ["config", "--list", "-z", "--includes"],
    cwd: commonDir,
    gitDir: commonDir,
    configuration: "person",
    signal,
  });
  const all = parseConfigList(output.stdout);
  const last = new Map(all);
  const name = process.env["GIT_AUTHOR_NAME"] ?? last.get("user.name");
  const email = process.env["GIT_AUTHOR_EMAIL"] ?? last.get("user.email");
  const [globalExclude, ownExclude, globalAttributes, ownAttributes] = await Promise.all([
    readText(personalFile(last.get("core.excludesfile"), "ignore")),
    readText(join(commonDir, "info", "exclude")),
    readText(personalFile(last.get("core.attributesfile"), "attributes")),
    readText(join(commonDir, "info", "attributes")),
  ]);
  const entries = all.filter(([key]) => isKept(key));
  if (!last.has("lfs.storage") && last.has("filter.lfs.process")) {
    // Large files are looked up beside the person's own, for the private checkout has no remote to fetch them from.
    entries.push(["lfs.storage", join(commonDir, "lfs")]);
  }
  return {
    person: name !== undefined && email !== undefined && name !== "" ? { name, email } : null,
    entries,
    exclude: globalExclude + ownExclude,
    attributes: globalAttributes + ownAttributes,
  };
}

function quoteValue(value: string): string {
  const escaped = value
    .replaceAll("\\", "\\\\")
    .replaceAll('"', '\\"')
    .replaceAll("\n", "\\n")
    .replaceAll("\t", "\\t");
  return `"${escaped}"`;
}

/** One `key = value` in the form of a git configuration file, with its section header. */
export function formatConfigEntry(key: string, value: string): string {
  const first = key.indexOf(".");
  const last = key.lastIndexOf(".");
  const section = key.slice(0, first);
  const header = first === last ? `[${section}]` : `[${section} ${quoteValue(key.slice(first + 1, last))}]`;
  return `${header}\n\t${key.slice(last + 1)} = ${quoteValue(value)}\n`;
}
