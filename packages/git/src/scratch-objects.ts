import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ObjectKind } from "./git-object.ts";
import { writeLooseObject } from "./object-writer.ts";
import type { Repository } from "./repository.ts";

/** A folder for objects that nobody needs afterwards; the repository's own objects can be read through it. */
export interface ScratchObjects extends AsyncDisposable {
  /** For `GIT_OBJECT_DIRECTORY`. */
  readonly objectDirectory: string;
  /** Writes an object into the folder and answers its id. */
  writeObject(kind: ObjectKind, content: Uint8Array): Promise<string>;
}

/** Makes a folder for passing objects, with the repository's as its alternate. Disposing removes it. */
export async function createScratchObjects(repository: Repository): Promise<ScratchObjects> {
  const objectDirectory = await mkdtemp(join(tmpdir(), "canopy-objects-"));
  await mkdir(join(objectDirectory, "info"));
  await writeFile(join(objectDirectory, "info", "alternates"), `${repository.objectDirectory}\n`);
  const location = { objectDirectory, objectFormat: repository.objectFormat };
  return {
    objectDirectory,
    writeObject: (kind, content) => writeLooseObject(location, kind, content),
    [Symbol.asyncDispose]: () => rm(objectDirectory, { recursive: true, force: true }),
  };
}
