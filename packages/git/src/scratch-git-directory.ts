import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { explainFullDisk, formatPrivateConfig } from "./materialize-commit.ts";
import type { Repository } from "./repository.ts";

/** A clean git directory of our own, beside which nothing an agent planted (hooks, config, alternates) has a say. */
export interface ScratchGitDirectory extends AsyncDisposable {
  readonly path: string;
  readonly indexFile: string;
}

/**
 * Makes a clean git directory with the person's file settings and ignore rules. Its objects are the repository's:
 * calls pass `objectDirectory`. Disposing removes it. Throws `disk.full`.
 */
export async function createScratchGitDirectory(repository: Repository): Promise<ScratchGitDirectory> {
  const parent = tmpdir();
  try {
    const path = await mkdtemp(join(parent, "canopy-git-"));
    const settings = await repository.readSettings();
    await Promise.all([mkdir(join(path, "info")), mkdir(join(path, "objects")), mkdir(join(path, "refs"))]);
    await Promise.all([
      writeFile(join(path, "HEAD"), "ref: refs/heads/none\n"),
      writeFile(join(path, "config"), formatPrivateConfig(repository, settings, undefined)),
      writeFile(join(path, "info", "exclude"), settings.exclude),
      writeFile(join(path, "info", "attributes"), settings.attributes),
      copyFile(join(repository.commonDir, "shallow"), join(path, "shallow")).catch(() => undefined),
    ]);
    return {
      path,
      indexFile: join(path, "index"),
      [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
    };
  } catch (error) {
    throw await explainFullDisk(error, parent);
  }
}
