import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { CheckoutSettings } from "./checkout-settings.ts";
import { readEntry } from "./diff-trees.ts";
import { displayPath } from "./git-object.ts";
import { parseMergeTreeOutput } from "./merge-result.ts";
import type { MergeResult } from "./merge-result.ts";
import { isRegularFile } from "./read-text-blob.ts";
import type { Repository } from "./repository.ts";
import { runGit } from "./run-git.ts";
import { writeCommit } from "./write-commit.ts";

/** Two commits for `git merge-tree`. */
export interface GitMergeRequest {
  readonly tip: string;
  readonly change: string;
  /** The tip's tree, whose `.gitattributes` apply; in the repository even when the tip is not. */
  readonly tipTree: string;
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

type AttributesFile = readonly [path: string, content: Buffer];

/** The `.gitattributes` files of a tip that decide how contested files are merged. */
async function readAttributes(
  repository: Repository,
  tree: string,
  directories: readonly string[],
): Promise<AttributesFile[]> {
  const found = await Promise.all(
    [...new Set(["", ...directories])].map(async (directory): Promise<AttributesFile | null> => {
      const entry = await readEntry(repository, tree, `${directory}.gitattributes`);
      const object = isRegularFile(entry) ? await repository.readObject(entry.objectId) : null;
      return object === null ? null : [displayPath(`${directory}.gitattributes`), object.content];
    }),
  );
  return found.filter((file) => file !== null);
}

/** A command in front of a driver's own that writes down that it ran. `%` is special in a driver's command line. */
function recordingCommand(logFile: string, index: number, command: string): string {
  const quoted = `'${logFile.replaceAll("'", `'\\''`).replaceAll("%", "%%")}'`;
  return `echo ${index} >> ${quoted}\n${command}`;
}

function driverName(key: string): string | null {
  return /^merge\.(.+)\.driver$/s.exec(key)?.[1] ?? null;
}

/** The person's merge drivers and rename settings, as options of one call; drivers write their index to the log. */
function mergeOptions(settings: CheckoutSettings, logFile: string): string[] {
  let driverCount = 0;
  return mergeEntries(settings).flatMap(([key, value]) => {
    if (driverName(key) === null) return ["-c", `${key}=${value}`];
    driverCount += 1;
    return ["-c", `${key}=${recordingCommand(logFile, driverCount - 1, value)}`];
  });
}

function mergeEntries(settings: CheckoutSettings): (readonly [key: string, value: string])[] {
  return settings.entries.filter(([key]) => key.startsWith("merge.") && !key.includes("="));
}

async function readDriverLog(logFile: string, settings: CheckoutSettings): Promise<string[]> {
  const names = mergeEntries(settings)
    .map(([key]) => driverName(key))
    .filter((name) => name !== null);
  if (names.length === 0) return [];
  const log = await readFile(logFile, "utf8").catch(() => "");
  const used = log.split("\n").filter(Boolean).map(Number);
  return [...new Set(used.map((index) => names[index]).filter((name) => name !== undefined))].sort();
}

async function runMergeTree(
  repository: Repository,
  { tip, change, objectDirectory, signal }: GitMergeRequest,
  place: { readonly options: readonly string[]; readonly workTree: string | null },
): Promise<MergeResult> {
  const args = ["merge-tree", "--write-tree", "-z", "--messages", "--allow-unrelated-histories"];
  const output = await runGit({
    args: [...place.options, ...args, tip, change],
    cwd: place.workTree ?? repository.commonDir,
    gitDir: repository.commonDir,
    acceptExitCodes: [0, 1],
    signal,
    ...(place.workTree === null ? {} : { workTree: place.workTree }),
    ...(objectDirectory === undefined ? {} : { objectDirectory }),
  });
  return parseMergeTreeOutput(output.stdout, output.exitCode === 0);
}

/** Lays the attributes out in a folder, which git takes for the work tree. */
async function layOutAttributes(root: string, attributes: readonly AttributesFile[]): Promise<void> {
  await mkdir(root);
  await Promise.all(
    attributes.map(async ([path, content]) => {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), content);
    }),
  );
}

/**
 * Merges two commits by `git merge-tree`, with the person's merge drivers, rename settings and attributes. git reads
 * attributes off a work tree only, so those of the tip are laid out in a temporary folder. Throws `git.failed` or
 * `cancelled`; a conflict is an answer.
 */
export async function mergeByGit(repository: Repository, request: GitMergeRequest): Promise<GitMerge> {
  const settings = await repository.readSettings();
  const attributes = await readAttributes(repository, request.tipTree, request.directories);
  if (attributes.length === 0 && settings.attributes === "") {
    // Without attributes no driver can take part, and nothing has to be laid out.
    const options = mergeOptions(settings, "/dev/null");
    return { result: await runMergeTree(repository, request, { options, workTree: null }), drivers: [] };
  }
  const scratch = await mkdtemp(join(tmpdir(), "canopy-merge-"));
  try {
    const [workTree, logFile] = [join(scratch, "tree"), join(scratch, "drivers")];
    const attributesFile = join(scratch, "attributes");
    await layOutAttributes(workTree, attributes);
    await writeFile(attributesFile, settings.attributes);
    const own = ["-c", `core.attributesFile=${attributesFile}`];
    const options = [...own, ...mergeOptions(settings, logFile)];
    const result = await runMergeTree(repository, request, { options, workTree });
    return { result, drivers: await readDriverLog(logFile, settings) };
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
