import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, readFile, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { RepositoryIdentity } from "./repository-identity.ts";

/** Digests of everything a person can lose in a checkout. Equal snapshots: byte-identical. Null: no such file. */
export interface CheckoutSnapshot {
  /** Names, kinds, modes and contents of all files but `.git`. */
  readonly files: string;
  readonly index: string | null;
  readonly head: string | null;
  readonly headReflog: string | null;
  readonly branchReflog: string | null;
  readonly stash: string | null;
  readonly stashReflog: string | null;
}

/** Larger files are read piece by piece; a stream for each small one would take longer than reading it. */
const STREAM_FROM_BYTES = 1_048_576;

async function digestFile(path: string): Promise<string | null> {
  const content = await readFile(path).catch(() => null);
  return content === null ? null : createHash("sha256").update(content).digest("hex");
}

async function addDirectory(hash: Hash, root: string, path: string): Promise<void> {
  const entries = await readdir(join(root, path), { withFileTypes: true });
  entries.sort((left, right) => (left.name < right.name ? -1 : 1));
  for (const entry of entries) {
    if (path === "" && entry.name === ".git") continue;
    const child = path === "" ? entry.name : `${path}/${entry.name}`;
    const info = await lstat(join(root, child));
    hash.update(`${child}\0${info.mode.toString(8)}\0${info.isDirectory() ? 0 : info.size}\0`);
    if (info.isSymbolicLink()) hash.update(await readlink(join(root, child)));
    else if (info.isDirectory()) await addDirectory(hash, root, child);
    else if (info.isFile() && info.size <= STREAM_FROM_BYTES) hash.update(await readFile(join(root, child)));
    else if (info.isFile())
      await pipeline(createReadStream(join(root, child)), async (chunks) => {
        for await (const chunk of chunks) hash.update(chunk);
      });
  }
}

/** Takes the digests of a checkout. Reads only, with no git, so it changes nothing itself. */
export async function snapshotCheckout(identity: RepositoryIdentity): Promise<CheckoutSnapshot> {
  const { gitDir, commonDir, worktreeRoot, headBranch } = identity;
  const hash = createHash("sha256");
  await addDirectory(hash, worktreeRoot, "");
  const branchLog = headBranch === null ? null : join(commonDir, "logs", "refs", "heads", headBranch);
  return {
    files: hash.digest("hex"),
    index: await digestFile(join(gitDir, "index")),
    head: await digestFile(join(gitDir, "HEAD")),
    headReflog: await digestFile(join(gitDir, "logs", "HEAD")),
    branchReflog: branchLog === null ? null : await digestFile(branchLog),
    stash: await digestFile(join(commonDir, "refs", "stash")),
    stashReflog: await digestFile(join(commonDir, "logs", "refs", "stash")),
  };
}
