import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isCanopyError } from "@canopy/protocol";
import type { AgentCommit, Capture } from "./capture-result.ts";
import { isObjectId } from "./git-object.ts";
import { openDirectory } from "./open-directory.ts";
import type { OpenDirectory } from "./open-directory.ts";
import type { Repository } from "./repository.ts";
import { runGit, splitNul } from "./run-git.ts";
import { createScratchGitDirectory } from "./scratch-git-directory.ts";

const MAX_REF_BYTES = 4096;
const MAX_PACKED_REFS_BYTES = 16 * 1024 * 1024;
const MAX_SYMBOLIC_DEPTH = 5;
const MAX_COMMITS = 500;
const MAX_OBJECT_FILE_BYTES = 1024 * 1024 * 1024;
const MAX_IMPORT_BYTES = 4 * 1024 * 1024 * 1024;

/** Whose commits to take over. */
export interface ImportOptions {
  readonly baseCommit: string;
  /** The agent's git directory, as this process can read it. */
  readonly agentGitDirectory: string | null;
  readonly signal?: AbortSignal | undefined;
}

type Import = Pick<Capture, "agentHead" | "agentCommits" | "notes">;

const NOTHING: Import = { agentHead: null, agentCommits: [], notes: [] };

async function readNested(directory: OpenDirectory, path: string, maxBytes: number): Promise<string | null> {
  const [name = "", ...rest] = path.split("/");
  if (name === "" || name === "." || name === "..") return null;
  if (rest.length === 0) return (await directory.readFile(name, maxBytes))?.toString("utf8") ?? null;
  const child = await directory.openChild(name);
  if (child === null) return null;
  await using open = child;
  return await readNested(open, rest.join("/"), maxBytes);
}

function findPackedRef(packed: string, ref: string): string | null {
  for (const line of packed.split("\n")) {
    const space = line.indexOf(" ");
    if (space > 0 && line.slice(space + 1).trimEnd() === ref) return line.slice(0, space);
  }
  return null;
}

/** The commit that a git directory's HEAD stands for, read as text; null when it stands for none. */
async function readAgentHead(gitDirectory: OpenDirectory): Promise<string | null> {
  let text = await gitDirectory
    .readFile("HEAD", MAX_REF_BYTES)
    .then((bytes) => bytes?.toString("utf8") ?? null);
  for (let depth = 0; depth < MAX_SYMBOLIC_DEPTH && text !== null; depth += 1) {
    const value = text.trim();
    if (isObjectId(value)) return value;
    const ref = /^ref:\s*(refs\/\S+)$/.exec(value)?.[1];
    if (ref === undefined) return null;
    const loose = await readNested(gitDirectory, ref, MAX_REF_BYTES);
    const packed = loose === null ? await gitDirectory.readFile("packed-refs", MAX_PACKED_REFS_BYTES) : null;
    text = loose ?? (packed === null ? null : findPackedRef(packed.toString("utf8"), ref));
  }
  return null;
}

interface CopyBudget {
  bytes: number;
}

async function copyFiles(
  source: OpenDirectory,
  target: string,
  names: readonly string[],
  budget: CopyBudget,
): Promise<void> {
  for (const name of names) {
    const content = await source.readFile(name, Math.min(MAX_OBJECT_FILE_BYTES, budget.bytes));
    if (content === null) continue;
    budget.bytes -= content.length;
    await writeFile(join(target, name), content);
  }
}

/**
 * Copies loose objects and packs, and nothing else: an alternates file, a commit graph or a link planted by the agent
 * stays behind, so no object but the agent's own can come along.
 */
async function copyObjects(gitDirectory: OpenDirectory, target: string): Promise<void> {
  const source = await gitDirectory.openChild("objects");
  if (source === null) return;
  await using objects = source;
  const budget: CopyBudget = { bytes: MAX_IMPORT_BYTES };
  for (const { name, kind } of await objects.list()) {
    const isFanOut = /^[0-9a-f]{2}$/.test(name);
    if (kind !== "directory" || (!isFanOut && name !== "pack")) continue;
    const child = await objects.openChild(name);
    if (child === null) continue;
    await using open = child;
    const entries = await open.list();
    const wanted = isFanOut ? /^[0-9a-f]{38}(?:[0-9a-f]{24})?$/ : /^pack-[0-9a-f]+\.(?:pack|idx)$/;
    const names = entries
      .filter((entry) => entry.kind === "file" && wanted.test(entry.name))
      .map((entry) => entry.name);
    if (names.length === 0) continue;
    await mkdir(join(target, name), { recursive: true });
    await copyFiles(open, join(target, name), names, budget);
  }
}

/** Brings what is reachable from `head` into the repository's object database, after git has checked every object. */
async function importObjects(
  repository: Repository,
  gitDirectory: OpenDirectory,
  head: string,
  options: ImportOptions,
): Promise<void> {
  await using scratch = await createScratchGitDirectory(repository);
  const objects = join(scratch.path, "objects");
  await copyObjects(gitDirectory, objects);
  await mkdir(join(objects, "info"), { recursive: true });
  await writeFile(join(objects, "info", "alternates"), `${repository.objectDirectory}\n`);
  const shared = { cwd: scratch.path, gitDir: scratch.path, signal: options.signal };
  const pack = await runGit({
    ...shared,
    args: ["pack-objects", "--revs", "--stdout", "--quiet", "--delta-base-offset"],
    input: `${head}\n^${options.baseCommit}\n`,
  });
  await runGit({
    ...shared,
    // Broken or malicious objects (a `.git` path in a tree, a missing parent) are refused here.
    args: ["-c", "fsck.zeroPaddedFilemode=ignore", "unpack-objects", "--strict", "-q"],
    objectDirectory: repository.objectDirectory,
    input: pack.stdout,
  });
}

async function listCommits(repository: Repository, base: string, head: string): Promise<AgentCommit[]> {
  const output = await repository.git([
    "log",
    "--reverse",
    "-z",
    `--max-count=${MAX_COMMITS}`,
    "--format=%H%n%s%n%b",
    head,
    `^${base}`,
  ]);
  return splitNul(output.stdout).map((item) => {
    const [commit = "", subject = "", ...body] = item.split("\n");
    return { commit, subject, body: body.join("\n").trim() };
  });
}

/**
 * Takes over the commits that an agent made in its private git directory. HEAD and refs are read as text, links are never
 * followed, and no git runs with the agent's directory as its own: hooks, configuration, alternates, replace refs and
 * grafts planted there do nothing. Commits that cannot be taken over are told in `notes`; the files are captured anyway.
 */
export async function importAgentCommits(repository: Repository, options: ImportOptions): Promise<Import> {
  if (options.agentGitDirectory === null) return NOTHING;
  const gitDirectory = await openDirectory(options.agentGitDirectory);
  if (gitDirectory === null) return { ...NOTHING, notes: ["the workspace's git directory is gone"] };
  await using open = gitDirectory;
  const head = await readAgentHead(open);
  if (head === null) return { ...NOTHING, notes: ["the workspace's HEAD cannot be read"] };
  if (head === options.baseCommit) return NOTHING;
  try {
    const known = await repository.readObject(head);
    if (known === null) await importObjects(repository, open, head, options);
    return {
      agentHead: head,
      agentCommits: await listCommits(repository, options.baseCommit, head),
      notes: [],
    };
  } catch (error) {
    if (!isCanopyError(error) || error.code !== "git.failed") throw error;
    return { ...NOTHING, notes: [`the agent's commits could not be taken over: ${error.message}`] };
  }
}
