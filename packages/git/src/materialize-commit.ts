import { copyFile, mkdir, readdir, stat, statfs, utimes, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { CanopyError, isCanopyError } from "@canopy/protocol";
import { formatConfigEntry } from "./checkout-settings.ts";
import type { CheckoutSettings, Person } from "./checkout-settings.ts";
import { isObjectId } from "./git-object.ts";
import type { Repository } from "./repository.ts";
import { SAFE_GIT_OPTIONS, runGit } from "./run-git.ts";

/** What a private checkout is made of. */
export interface MaterializeOptions {
  readonly commit: string;
  /** An absolute path of an empty or missing folder. */
  readonly directory: string;
  /** The branch its HEAD is on, without `refs/heads/`. */
  readonly branch: string;
  /** Who commits in it; without it the person's own identity, if they have one. */
  readonly person?: Person;
  readonly signal?: AbortSignal;
}

const FALLBACK_PERSON: Person = { name: "Canopy agent", email: "agent@canopy.invalid" };
const MONITOR_FILE = "canopy-monitor";
const MONITOR_TOKEN = "canopy-1";
// Says that nothing but what git itself wrote has changed, which holds while only Canopy has a checkout in hand.
const QUIET_MONITOR: readonly string[] = [
  "-c",
  `core.fsmonitor=printf '${MONITOR_TOKEN}\\0'; :`,
  "-c",
  "core.fsmonitorHookVersion=2",
];
const FULL_DISK_BYTES = 256 * 1024;

function fixedConfig(repository: Repository): string {
  const isSha256 = repository.objectFormat === "sha256";
  return [
    `[core]\n\trepositoryformatversion = ${isSha256 ? 1 : 0}\n\tbare = false\n\tlogAllRefUpdates = true\n`,
    // A relative path would be looked up in the work tree, where a commit can put files.
    "\thooksPath = /dev/null\n\tfsmonitor = false\n\tuntrackedCache = true\n",
    "[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[advice]\n\tdetachedHead = false\n",
    isSha256 ? "[extensions]\n\tobjectFormat = sha256\n" : "",
  ].join("");
}

/** The text of a private git directory's `config`: fixed safety settings, the person's file settings, an identity. */
export function formatPrivateConfig(
  repository: Repository,
  settings: CheckoutSettings,
  person: Person | undefined,
): string {
  const who = person ?? settings.person ?? FALLBACK_PERSON;
  const entries = settings.entries.map(([key, value]) => formatConfigEntry(key, value));
  const identity = [formatConfigEntry("user.name", who.name), formatConfigEntry("user.email", who.email)];
  return [...entries, ...identity, fixedConfig(repository)].join("");
}

async function requireEmpty(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  const names = await readdir(directory);
  if (names.length === 0) return;
  throw new CanopyError("workspace.failed", `the folder for a checkout is not empty: ${directory}`, {
    data: { directory, names: names.slice(0, 10) },
  });
}

async function formatPackedTags(repository: Repository): Promise<string> {
  const format = "%(objectname) %(refname)%(if)%(*objectname)%(then)%0a^%(*objectname)%(end)";
  const output = await repository.git(["for-each-ref", "--sort=refname", `--format=${format}`, "refs/tags"]);
  const body = output.stdout.toString("utf8");
  return body === "" ? "" : `# pack-refs with: peeled fully-peeled sorted \n${body}`;
}

/** Writes a private `.git` that borrows the repository's objects and shares nothing else with it. */
async function writePrivateGitDirectory(repository: Repository, options: MaterializeOptions): Promise<void> {
  const gitDir = join(options.directory, ".git");
  const settings = await repository.readSettings();
  const branchRef = join(gitDir, "refs", "heads", options.branch);
  await mkdir(join(gitDir, "objects", "info"), { recursive: true });
  await mkdir(join(gitDir, "objects", "pack"));
  await mkdir(join(gitDir, "info"));
  await mkdir(join(gitDir, "refs", "tags"), { recursive: true });
  await mkdir(resolve(branchRef, ".."), { recursive: true });
  const tags = await formatPackedTags(repository);
  await Promise.all([
    writeFile(join(gitDir, "HEAD"), `ref: refs/heads/${options.branch}\n`),
    writeFile(branchRef, `${options.commit}\n`),
    writeFile(
      join(gitDir, "config"),
      // Where the file is missing, which is anywhere but in a monitored overlay, git passes over it.
      `${formatPrivateConfig(repository, settings, options.person)}[include]\n\tpath = ${MONITOR_FILE}\n`,
    ),
    writeFile(join(gitDir, "objects", "info", "alternates"), `${repository.objectDirectory}\n`),
    writeFile(join(gitDir, "info", "exclude"), settings.exclude),
    writeFile(join(gitDir, "info", "attributes"), settings.attributes),
    tags === "" ? undefined : writeFile(join(gitDir, "packed-refs"), tags),
    // The list of commits whose parents a shallow clone does not have.
    copyFile(join(repository.commonDir, "shallow"), join(gitDir, "shallow")).catch(() => undefined),
  ]);
}

/** How many bytes of a commit's files are not in a folder yet. */
export async function countMissingBytes(
  repository: Repository,
  commit: string,
  directory: string,
): Promise<number> {
  const listed = await repository.git(["ls-tree", "-r", "-z", "--long", commit]);
  const sizes = listed.stdout.toString("latin1").matchAll(/(?:^|\0)\d+ blob [0-9a-f]+ +(\d+)\t/g);
  const wantedBytes = [...sizes].reduce((total, match) => total + Number(match[1]), 0);
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !`${entry.parentPath}/`.includes("/.git/"));
  const infos = await Promise.all(files.map((entry) => stat(join(entry.parentPath, entry.name))));
  return wantedBytes - infos.reduce((total, info) => total + info.size, 0);
}

/**
 * `disk.full` when the file system of a folder has no room left, which git itself tells only in words. Git may have
 * removed the file that did not fit; `missingBytes` says how much was still to be written.
 */
export async function explainFullDisk(
  failure: unknown,
  directory: string,
  missingBytes: () => Promise<number> = () => Promise.resolve(0),
): Promise<unknown> {
  const errno = failure instanceof Error && "code" in failure ? failure.code : "";
  const isOutright = errno === "ENOSPC" || errno === "EDQUOT";
  if (!isOutright && !(isCanopyError(failure) && failure.code === "git.failed")) return failure;
  const space = await statfs(directory).catch(() => null);
  const isFull =
    space !== null &&
    (space.bavail * space.bsize < Math.max(FULL_DISK_BYTES, await missingBytes().catch(() => 0)) ||
      (space.files > 0 && space.ffree < 8));
  if (!isOutright && !isFull) return failure;
  return new CanopyError("disk.full", `the disk is full: could not write in ${directory}`, {
    hint: "Free some space in the cache folder and try again.",
    retry: true,
    data: { directory },
    cause: failure,
  });
}

function requireSafeBranch(branch: string): void {
  const isSafe = branch !== "" && !branch.split("/").some((part) => part === "" || part.startsWith("."));
  // oxlint-disable-next-line no-control-regex
  if (isSafe && !/[\u0000- ~^:?*[\\\u007f]|\.\.|@\{|\.lock(?:\/|$)|\/$|\.$/.test(branch)) return;
  throw new CanopyError("git.failed", `not a branch name: ${JSON.stringify(branch)}`);
}

/**
 * Checks a commit out into an empty folder with a private `.git`: own HEAD, index, refs and configuration, the
 * repository's objects borrowed read-only. `git log`, `status` and `commit` in it work and write only inside. Filters
 * (eol, LFS) are the person's and are run by git. Throws `disk.full`, `workspace.failed` (folder not empty), `git.failed`.
 */
export async function materializeCommit(repository: Repository, options: MaterializeOptions): Promise<void> {
  if (!isObjectId(options.commit)) throw new CanopyError("git.failed", `not a commit id: ${options.commit}`);
  requireSafeBranch(options.branch);
  await requireEmpty(options.directory);
  repository.refreshSettings();
  try {
    await writePrivateGitDirectory(repository, options);
    await runGit({
      args: ["-c", "checkout.workers=0", "read-tree", "-m", "-u", options.commit],
      cwd: options.directory,
      gitDir: join(options.directory, ".git"),
      workTree: options.directory,
      signal: options.signal,
    });
    await settleIndex(options.directory);
  } catch (error) {
    throw await explainFullDisk(error, options.directory, () =>
      countMissingBytes(repository, options.commit, options.directory),
    );
  }
}

const LARGE_INDEX_BYTES = 200 * 1024;

/**
 * Git compares the content of every file written in the same second as the index, on every status. In a large checkout
 * that is most of them, so there the index is touched once the second is over. A file changed later has a newer time.
 */
async function settleIndex(directory: string): Promise<void> {
  const index = join(directory, ".git", "index");
  const info = await stat(index).catch(() => null);
  if (info === null || info.size < LARGE_INDEX_BYTES) return;
  const nextSecondMs = (Math.floor(info.mtimeMs / 1000) + 1) * 1000;
  const waitMs = nextSecondMs + 20 - Date.now();
  if (waitMs > 0) await new Promise((done) => setTimeout(done, waitMs));
  const nowSeconds = Date.now() / 1000;
  await utimes(index, nowSeconds, nowSeconds);
}

/** From one commit to another in a private checkout. */
export interface AdvanceOptions {
  readonly from: string;
  readonly to: string;
  readonly branch: string;
}

/**
 * The commands that bring a private checkout from one commit to another and touch only what differs. They are run in
 * order at the checkout's root, with `createGitEnvironment()`, for instance in a mounted overlay whose upper directory
 * then holds the difference. The checkout must be clean.
 */
export function advanceCheckout(options: AdvanceOptions): (readonly [string, ...string[]])[] {
  for (const id of [options.from, options.to]) {
    if (!isObjectId(id)) throw new CanopyError("git.failed", `not a commit id: ${JSON.stringify(id)}`);
  }
  requireSafeBranch(options.branch);
  return [
    ["git", ...SAFE_GIT_OPTIONS, ...QUIET_MONITOR, "read-tree", "-m", "-u", options.from, options.to],
    ["git", ...SAFE_GIT_OPTIONS, "update-ref", `refs/heads/${options.branch}`, options.to],
  ];
}

/**
 * The command that fills the index's cache of untracked files and marks every file as unchanged, run at the root of a
 * checkout or an advanced one where agents will see it (the cache is bound to the path), so that their `git status` is quick.
 */
export function primeCheckout(): readonly [string, ...string[]] {
  // Optional locks are what allows `status` to write the index it has refreshed.
  const environment = ["GIT_OPTIONAL_LOCKS=1"];
  return ["env", ...environment, "git", ...SAFE_GIT_OPTIONS, ...QUIET_MONITOR, "status", "--porcelain"];
}

/** How the git of a checkout is told what may have changed in it. */
export interface CheckoutMonitor {
  /** A configuration file, by its path in the checkout, that its git reads when it is there. */
  readonly configFile: string;
  /** The `core.fsmonitor` token that a primed index carries. */
  readonly token: string;
  readonly commit: string;
}

/** What a program must know to be the `core.fsmonitor` of primed checkouts of a commit. */
export function describeMonitor(commit: string): CheckoutMonitor {
  return { configFile: `.git/${MONITOR_FILE}`, token: MONITOR_TOKEN, commit };
}
