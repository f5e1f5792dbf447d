import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TreeEdit } from "./edit-tree.ts";
import { SYMLINK_MODE } from "./git-object.ts";
import type { ConflictStage } from "./merge-result.ts";
import { isBinary, isRegularFile } from "./read-text-blob.ts";
import type { Repository } from "./repository.ts";

async function readText(repository: Repository, stage: ConflictStage | undefined): Promise<Buffer | null> {
  if (stage === undefined) return Buffer.alloc(0);
  if (stage.mode === SYMLINK_MODE || !isRegularFile({ ...stage, name: "" })) return null;
  const object = await repository.readObject(stage.objectId);
  return object?.kind !== "blob" || isBinary(object.content) ? null : object.content;
}

/**
 * Merges the versions of a file so that the lines of both sides stay where they conflict, ours first. A version that was
 * deleted on one side is taken from the other. Null for what is not text.
 */
export async function unionMerge(
  repository: Repository,
  stages: readonly ConflictStage[],
): Promise<TreeEdit["entry"]> {
  const at = (stage: number): ConflictStage | undefined => stages.find((item) => item.stage === stage);
  const [base, ours, theirs] = [at(1), at(2), at(3)];
  if (ours === undefined || theirs === undefined) return ours ?? theirs ?? null;
  const texts = [
    await readText(repository, ours),
    await readText(repository, base),
    await readText(repository, theirs),
  ];
  const folder = await mkdtemp(join(tmpdir(), "canopy-union-"));
  try {
    const files: string[] = [];
    for (const [index, text] of texts.entries()) {
      if (text === null) return null;
      const file = join(folder, String(index));
      await writeFile(file, text);
      files.push(file);
    }
    const output = await repository.git(["merge-file", "-p", "--union", ...files]);
    return { mode: ours.mode, objectId: await repository.writeObject("blob", output.stdout) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
