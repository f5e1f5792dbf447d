import { access, constants, lstat, readlink, stat } from "node:fs/promises";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { CanopyError } from "@canopy/protocol";

const MAX_HOPS = 40;

async function isExecutable(path: string): Promise<boolean> {
  const info = await stat(path).catch(() => null);
  if (info?.isFile() !== true) return false;
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** Where a program is looked for. `root` is put before every absolute path: the root of a mount namespace, or "". */
export interface ExecutableSearch {
  readonly program: string;
  readonly path: string | undefined;
  readonly cwd: string;
  readonly root: string;
}

/**
 * What a path leads to over links, as a path below the root. A folder on the way that is an absolute link is followed
 * outside of the root; both have the same folders of programs.
 */
async function followBelow(root: string, path: string): Promise<string> {
  let at = path;
  for (let hops = 0; hops < MAX_HOPS; hops += 1) {
    const info = await lstat(root + at).catch(() => null);
    if (info?.isSymbolicLink() !== true) return at;
    at = resolve(dirname(at), await readlink(root + at));
  }
  return at;
}

/**
 * Throws `agent.not-found` when a program does not exist or cannot be executed; it says so when it is a link to what is
 * not seen below the root.
 */
export async function requireExecutable({ program, path, cwd, root }: ExecutableSearch): Promise<void> {
  const folders = program.includes("/") ? [""] : (path ?? "/usr/local/bin:/usr/bin:/bin").split(":");
  let unseen: string | null = null;
  for (const folder of folders) {
    const candidate = join(folder, program);
    const absolute = isAbsolute(candidate) ? candidate : join(cwd, candidate);
    const target = await followBelow(root, absolute);
    if (await isExecutable(root + target)) return;
    if (target !== absolute && (await isExecutable(target))) unseen ??= target;
  }
  const where = program.includes("/") ? "" : " on PATH";
  const why = unseen === null ? "" : `: it is a link to ${unseen}, which is not seen from there`;
  throw new CanopyError(
    "agent.not-found",
    `${program} was not found${where}, or cannot be executed${why}`,
    unseen === null
      ? { hint: "Install it, or name it by its full path.", data: { program, path: path ?? null } }
      : {
          hint: `Show it: [sandbox] read_only = [${JSON.stringify(dirname(unseen))}]`,
          data: { program, path: path ?? null, unseen },
        },
  );
}
