import { lstat, mkdir, readlink, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { CanopyError } from "@canopy/protocol/errors";

/** The launcher, which answers as `bd` when it is called so. */
const LAUNCHER = join(import.meta.dirname, "../../bin/canopy");

/**
 * Makes `FOLDER/bd` a link to this program's launcher. Answers whether it was made now; a `bd` of another program stays,
 * with `conflict`.
 */
export async function installShim(
  folder: string,
): Promise<{ readonly path: string; readonly isNew: boolean }> {
  const path = join(resolve(folder), "bd");
  await mkdir(resolve(folder), { recursive: true });
  const known = await lstat(path).catch(() => null);
  if (known === null) {
    await symlink(LAUNCHER, path);
    return { path, isNew: true };
  }
  if (known.isSymbolicLink() && resolve(folder, await readlink(path)) === LAUNCHER)
    return { path, isNew: false };
  throw new CanopyError("conflict", `${path} is another program`, {
    hint: "name another folder that is on the PATH",
  });
}
