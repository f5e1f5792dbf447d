import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { CheckoutSettings } from "./checkout-settings.ts";
import { displayPath } from "./git-object.ts";
import { parseMergeTreeOutput } from "./merge-result.ts";
import type { MergeResult } from "./merge-result.ts";
import type { Repository } from "./repository.ts";
import { runGit } from "./run-git.ts";
import { writeCommit } from "./write-commit.ts";

/** Two commits for `git merge-tree`. */
export interface GitMergeRequest {
  readonly tip: string;
  readonly change: string;
  /** The directories (bytes as latin1, "" or ending in a slash) whose `.gitattributes` may have a say. */
  readonly directories: readonly string[];
  /** Where new objects go; default: the repository's own object directory. */
  readonly objectDirectory?: string;
  readonly signal?: AbortSignal | undefined;
}

/** The outcome of `git merge-tree`, with the names of the person's merge drivers that took part. */
export interface GitMerge {
  readonly result: MergeResult;
  readonly drivers: readonly string[];
}

/** The `.gitattributes` files of a tip that decide how contested files are merged. */
async function readAttributes(
  repository: Repository,
  tip: string,
  directories: readonly string[],
): Promise<[path: string, content: Buffer][]> {
  const found: [path: string, content: Buffer][] = [];
  for (const directory of new Set(["", ...directories])) {
    // Names with other bytes than UTF-8 cannot be asked for on a line of text.
    const path = `${displayPath(directory)}.gitattributes`;
    const object = await repository.readObject(`${tip}:${path}`);
    if (object?.kind === "blob") found.push([path, object.content]);
  }
  return found;
}

/** A command in front of a driver's own that writes down that it ran. `%` is special in a driver's command line. */
function recordingCommand(logFile: string, index: number, command: string): string {
  const quoted = `'${logFile.replaceAll("'", `'\\''`).replaceAll("%", "%%")}'`;
  return `echo ${index} >> ${quoted}\n${command}`;
}

interface MergeSettings {
  readonly options: readonly string[];
  /** Names of the person's drivers; the log holds indexes into it. */
  readonly driverNames: readonly string[];
}

/** The person's merge drivers and rename settings, as options of one call. */
function readMergeSettings(settings: CheckoutSettings, logFile: string): MergeSettings {
  const driverNames: string[] = [];
  const options = settings.entries
    .filter(([key]) => key.startsWith("merge.") && !key.includes("="))
    .flatMap(([key, value]) => {
      const name = /^merge\.(.+)\.driver$/s.exec(key)?.[1];
      if (name === undefined) return ["-c", `${key}=${value}`];
      driverNames.push(name);
      return ["-c", `${key}=${recordingCommand(logFile, driverNames.length - 1, value)}`];
    });
  return { options, driverNames };
}

async function readDriverLog(logFile: string, names: readonly string[]): Promise<string[]> {
  const log = await readFile(logFile, "utf8").catch(() => "");
  const used = log.split("\n").filter(Boolean).map(Number);
  return [...new Set(used.map((index) => names[index]).filter((name) => name !== undefined))].sort();
}

/**
 * Merges two commits by `git merge-tree`, with the person's merge drivers, rename settings and attributes. git reads
 * attributes off a work tree only, so those of the tip are laid out in a temporary folder. Throws `git.failed` or
 * `cancelled`; a conflict is an answer.
 */
export async function mergeByGit(repository: Repository, request: GitMergeRequest): Promise<GitMerge> {
  const { tip, change, directories, objectDirectory, signal } = request;
  const settings = await repository.readSettings();
  const attributes = await readAttributes(repository, tip, directories);
  const scratch = await mkdtemp(join(tmpdir(), "canopy-merge-"));
  const root = join(scratch, "tree");
  const logFile = join(scratch, "drivers");
  const attributesFile = join(scratch, "attributes");
  try {
    await mkdir(root);
    await writeFile(attributesFile, settings.attributes);
    for (const [path, content] of attributes) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), content);
    }
    const { options, driverNames } = readMergeSettings(settings, logFile);
    const args = ["merge-tree", "--write-tree", "-z", "--messages", "--allow-unrelated-histories"];
    const output = await runGit({
      args: ["-c", `core.attributesFile=${attributesFile}`, ...options, ...args, tip, change],
      cwd: root,
      gitDir: repository.commonDir,
      workTree: root,
      acceptExitCodes: [0, 1],
      signal,
      ...(objectDirectory === undefined ? {} : { objectDirectory }),
    });
    const drivers = driverNames.length === 0 ? [] : await readDriverLog(logFile, driverNames);
    return { result: parseMergeTreeOutput(output.stdout, output.exitCode === 0), drivers };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

// Fixed, so that the same trees make the same commits.
const NOBODY = { name: "Canopy", email: "canopy@localhost", atMs: 0 };

/** Two commits with these trees whose merge base has the third, for merging trees that have no history of their own. */
export async function writeTriangle(
  target: Pick<Repository, "writeObject">,
  trees: { readonly base: string; readonly ours: string; readonly theirs: string },
): Promise<{ readonly tip: string; readonly change: string }> {
  const write = (tree: string, parents: readonly string[], message: string): Promise<string> =>
    writeCommit(target, { tree, parents, author: NOBODY, committer: NOBODY, message });
  const base = await write(trees.base, [], "base");
  // Two messages, for the two commits must differ even when the trees do not.
  return {
    tip: await write(trees.ours, [base], "ours"),
    change: await write(trees.theirs, [base], "theirs"),
  };
}
