import { lstat, readdir, readlink, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { isWithin } from "./blocked-paths.ts";

const MAX_HOPS = 16;

/** What makes the folder above `bin` the one that its programs are installed in, and not somebody's project. */
const OF_AN_INSTALLATION = ["lib", "lib64", "libexec", "share", "pyvenv.cfg"];

async function isInstallation(prefix: string): Promise<boolean> {
  const entries = await readdir(prefix).catch((): string[] => []);
  return !entries.includes(".git") && OF_AN_INSTALLATION.some((name) => entries.includes(name));
}

/** What a program needs to be seen, by where it really is, when nothing else shows it; `home` is the person's. */
async function neededFolder(program: string, home: string): Promise<string> {
  // A script of a package finds what it imports beside it and in the folders of packages above.
  const packages = program.indexOf("/node_modules/");
  if (packages !== -1) return program.slice(0, packages + "/node_modules".length);
  const folder = dirname(program);
  if (!["bin", "libexec"].includes(basename(folder))) return program;
  const prefix = dirname(folder);
  const isTooMuch = prefix === home || prefix === join(home, ".local") || dirname(prefix) === "/";
  return !isTooMuch && (await isInstallation(prefix)) ? prefix : folder;
}

/** The paths that a link leads over, one for each link, and at last what it is; empty for what is no link or leads nowhere. */
async function followLink(path: string): Promise<string[]> {
  const hops: string[] = [];
  let at = path;
  while ((await lstat(at).catch(() => null))?.isSymbolicLink() === true) {
    if (hops.length === MAX_HOPS) return [];
    at = resolve(dirname(at), await readlink(at));
    hops.push(at);
  }
  const real = await realpath(at).catch(() => null);
  return real === null || hops.length === 0 ? [] : [...hops, real];
}

/** What must be seen for a program to work that is a link: every place that it leads over, and what the program is part of. */
export async function listLinked(program: string, home: string): Promise<string[]> {
  const hops = await followLink(program);
  const real = hops.at(-1);
  if (real === undefined) return [];
  const info = await stat(real).catch(() => null);
  const isProgram = info?.isFile() === true && (info.mode & 0o111) !== 0;
  return isProgram ? [...hops, await neededFolder(real, home)] : [];
}

/**
 * What must be seen for the programs on a PATH to work that are links out of their folder, as installers make them
 * (`~/.local/bin/claude` leads to `~/.local/share/claude/versions/...`). What a folder of `system` shows is left out.
 */
export async function listLinkedTools(
  path: string,
  home: string,
  system: readonly string[],
): Promise<string[]> {
  const folders = [...new Set(path.split(":"))].filter(
    (folder) =>
      folder.startsWith("/") &&
      basename(folder) !== ".bin" &&
      // Distributions keep theirs together; people put links here.
      (folder === "/usr/local/bin" || !system.some((each) => isWithin(folder, each))),
  );
  const found = await Promise.all(
    folders.map(async (folder) => {
      const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
      const links = entries.filter((entry) => entry.isSymbolicLink());
      return await Promise.all(links.map(({ name }) => listLinked(join(folder, name), home)));
    }),
  );
  return [...new Set(found.flat(2))].filter((each) => !system.some((folder) => isWithin(each, folder)));
}
