import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { access, mkdir, rename } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

/**
 * Removes a folder with all below it, also folders that nobody may read or write. A folder that is not there is fine.
 * `rm` does it, which is several times quicker on large trees than this process would be.
 */
export async function removeTree(path: string): Promise<void> {
  try {
    await execute("rm", ["-rf", "--", path]);
  } catch (error) {
    if (!(await exists(path))) return;
    await execute("chmod", ["-R", "u+rwX", "--", path]).catch(() => undefined);
    await execute("rm", ["-rf", "--", path]).catch(() => {
      throw error;
    });
  }
}

/** A place where folders go to be removed: out of the way at once, gone a little later. */
export interface Trash {
  /**
   * Moves a folder away at once and removes it in the background, once `after` has resolved. A folder that is not there is
   * fine.
   */
  discard(path: string, after?: Promise<void>): Promise<void>;
  /** Removes what an earlier process left here, in the background. */
  sweep(): void;
  /** Resolves when nothing is being removed any more. */
  settle(): Promise<void>;
}

/** Opens a trash at a folder on the same file system as what goes into it. */
export function openTrash(directory: string): Trash {
  const running = new Set<Promise<void>>();
  const removeLater = (path: string, after: Promise<void> = Promise.resolve()): void => {
    const work = after
      .then(() => removeTree(path))
      .catch(() => undefined)
      .then(() => void running.delete(work));
    running.add(work);
  };
  return {
    async discard(path: string, after?: Promise<void>): Promise<void> {
      await mkdir(directory, { recursive: true });
      const target = join(directory, `${basename(path)}-${randomBytes(4).toString("hex")}`);
      try {
        await rename(path, target);
      } catch (error) {
        if (await exists(path)) throw error;
        return;
      }
      removeLater(target, after);
    },
    sweep: () => removeLater(directory),
    async settle(): Promise<void> {
      while (running.size > 0) await Promise.all(running);
    },
  };
}
