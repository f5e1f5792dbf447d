import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { link, readFile, readdir, rename, stat, unlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { isRunning, killMarked } from "./process-table.ts";
import type { ProcessIdentity } from "./process-table.ts";
import { createContainerProvider } from "./container/container-provider.ts";
import { removeGroupsOf } from "./sandbox/resource-group.ts";
import { readMetadata, writeMetadata } from "./workspace-metadata.ts";
import type { WorkspaceMetadata } from "./workspace-metadata.ts";
import { WORKSPACE_MARKER } from "./workspace-view.ts";

const execute = promisify(execFile);

/** A workspace of a dead owner that is now ours. */
export interface TakenWorkspace {
  readonly directory: string;
  readonly metadata: WorkspaceMetadata;
}

const CLAIM_FILE = ".claim";

function parseClaim(text: string): ProcessIdentity | null {
  const [pid = "", startedAt = ""] = text.split(" ", 2);
  return startedAt === "" ? null : { pid: Number(pid), startedAt };
}

async function readClaim(path: string): Promise<ProcessIdentity | null> {
  return parseClaim(await readFile(path, "utf8").catch(() => ""));
}

/** Moves a dead process's claim out of the way; a living one that came in between is put back. */
async function removeDeadClaim(path: string): Promise<void> {
  const aside = `${path}-${randomBytes(4).toString("hex")}`;
  await rename(path, aside).catch(() => undefined);
  const moved = await readClaim(aside);
  if (moved !== null && (await isRunning(moved))) await link(aside, path).catch(() => undefined);
  await unlink(aside).catch(() => undefined);
}

/** Makes sure that of several recovering processes only one gets a workspace: a claim appears with its content or not at all. */
async function claim(directory: string, owner: ProcessIdentity): Promise<boolean> {
  const path = join(directory, CLAIM_FILE);
  const own = `${path}-${randomBytes(4).toString("hex")}`;
  await writeFile(own, `${owner.pid} ${owner.startedAt}`);
  const tryLink = (): Promise<boolean> =>
    link(own, path).then(
      () => true,
      () => false,
    );
  try {
    if (await tryLink()) return true;
    const other = await readClaim(path);
    if (other !== null && (await isRunning(other))) return false;
    await removeDeadClaim(path);
    return await tryLink();
  } finally {
    await unlink(own).catch(() => undefined);
  }
}

/** Undoes the escapes of /proc/self/mountinfo, which writes a space as `\040`. */
function unescapeMount(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_match, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

/** Unmounts what is mounted below a folder here. Private mounts vanish by themselves; this is for anything else. */
async function unmountBelow(directory: string): Promise<void> {
  const table = await readFile("/proc/self/mountinfo", "utf8").catch(() => "");
  const points = table.split("\n").map((line) => unescapeMount(line.split(" ")[4] ?? ""));
  for (const point of points
    .filter((each) => each === directory || each.startsWith(`${directory}/`))
    .reverse()) {
    await execute("umount", ["-l", point]).catch(() => undefined);
  }
}

async function takeOne(directory: string, owner: ProcessIdentity): Promise<TakenWorkspace | null> {
  const metadata = await readMetadata(directory);
  if (metadata === null) return null;
  if (metadata.state !== "kept" && (await isRunning(metadata.owner))) return null;
  if (!(await claim(directory, owner))) return null;
  try {
    const current = await readMetadata(directory);
    if (current === null || (current.state !== "kept" && (await isRunning(current.owner)))) return null;
    await killMarked(`${WORKSPACE_MARKER}=${current.workspaceId}`);
    await removeGroupsOf(current.workspaceId);
    if (current.containerEngine !== undefined)
      await createContainerProvider(null, current.containerEngine).removeOf(current.workspaceId);
    await unmountBelow(directory);
    // From here on it has a living owner, so nobody else takes it.
    const state = current.state === "kept" ? "ready" : current.state;
    await writeMetadata(directory, { ...current, owner, state });
    return { directory, metadata: current };
  } finally {
    await unlink(join(directory, CLAIM_FILE)).catch(() => undefined);
  }
}

async function readAll(workspacesDirectory: string): Promise<string[]> {
  const names = await readdir(workspacesDirectory).catch(() => []);
  return names.filter((name) => !name.startsWith(".")).map((name) => join(workspacesDirectory, name));
}

const ABANDONED_AFTER_MS = 60_000;

/** A name for a folder that a process is about to make into a workspace, which tells whose it is. */
export function nameHalfMade({ pid, startedAt }: ProcessIdentity): string {
  return `.new-${pid}-${Buffer.from(startedAt).toString("hex")}-${randomBytes(6).toString("hex")}`;
}

/** The owner that such a name tells; null when it tells none. */
function readOwner(name: string): ProcessIdentity | null {
  const [, pid, startedAt] = /^\.new-(\d+)-([0-9a-f]+)-/.exec(name) ?? [];
  if (pid === undefined || startedAt === undefined) return null;
  return { pid: Number(pid), startedAt: Buffer.from(startedAt, "hex").toString() };
}

/** What a crash left half-made: folders with this beginning of dead owners, and those that nobody has touched for a minute. */
export async function listAbandoned(directory: string, beginning: string): Promise<string[]> {
  const names = await readdir(directory).catch(() => []);
  const paths = names.filter((name) => name.startsWith(beginning)).map((name) => join(directory, name));
  const infos = await Promise.all(paths.map((path) => stat(path).catch(() => null)));
  const oldest = Date.now() - ABANDONED_AFTER_MS;
  const isDead = await Promise.all(
    paths.map(async (path) => {
      const owner = readOwner(basename(path));
      return owner !== null && !(await isRunning(owner));
    }),
  );
  return paths.filter((_path, index) => isDead[index] || (infos[index]?.mtimeMs ?? Date.now()) < oldest);
}

/** Takes over every workspace whose owner no longer runs and every kept one, and kills what still runs in it. */
export async function takeOver(
  workspacesDirectory: string,
  owner: ProcessIdentity,
): Promise<TakenWorkspace[]> {
  const taken: TakenWorkspace[] = [];
  for (const directory of await readAll(workspacesDirectory)) {
    const one = await takeOne(directory, owner);
    if (one !== null) taken.push(one);
  }
  return taken.sort((left, right) => left.metadata.createdAtMs - right.metadata.createdAtMs);
}

/** The names of the layers that any workspace of a project stands on, whoever owns it. */
export async function listUsedLayers(workspacesDirectory: string, projectId: string): Promise<Set<string>> {
  const all = await Promise.all(
    (await readAll(workspacesDirectory)).map((directory) => readMetadata(directory)),
  );
  return new Set(all.flatMap((metadata) => (metadata?.projectId === projectId ? metadata.layers : [])));
}
