import { GITLINK_MODE } from "./git-object.ts";
import type { ConflictKind, ConflictStage, ConflictedFile, MergeResult } from "./merge-result.ts";
import { isBinary } from "./read-text-blob.ts";
import type { Repository } from "./repository.ts";

/** A merge that needs somebody. */
export type ConflictedMerge = Extract<MergeResult, { state: "conflicted" }>;

/** One version of a conflicted path. */
export interface ConflictSide {
  readonly mode: string;
  readonly objectId: string;
  /** 0 for a submodule. */
  readonly sizeBytes: number;
  readonly isBinary: boolean;
  /** The first 256 KiB as text; null for binary files and submodules. */
  readonly text: string | null;
  /** True when `text` is not all of it. */
  readonly isCut: boolean;
}

/** A conflicted path with all that there is to decide on: the common base, the tip (ours), the change (theirs). */
export interface Conflict {
  readonly path: string;
  readonly kind: ConflictKind;
  readonly base: ConflictSide | null;
  readonly ours: ConflictSide | null;
  readonly theirs: ConflictSide | null;
  /** Where it was renamed from on one side, where git tells. */
  readonly renamedFrom: string | null;
  /** Other paths of the same conflict. */
  readonly relatedPaths: readonly string[];
}

const MAX_TEXT_BYTES = 256 * 1024;

async function readSide(
  repository: Repository,
  file: ConflictedFile,
  stage: number,
): Promise<ConflictSide | null> {
  const found: ConflictStage | undefined = file.stages.find((item) => item.stage === stage);
  if (found === undefined) return null;
  const { mode, objectId } = found;
  const object = mode === GITLINK_MODE ? null : await repository.readObject(objectId);
  if (object === null) return { mode, objectId, sizeBytes: 0, isBinary: false, text: null, isCut: false };
  const { content } = object;
  const binary = isBinary(content);
  return {
    mode,
    objectId,
    sizeBytes: content.length,
    isBinary: binary,
    text: binary ? null : content.toString("utf8", 0, MAX_TEXT_BYTES),
    isCut: !binary && content.length > MAX_TEXT_BYTES,
  };
}

/** Reads the versions of every conflicted path of a merge, in the order of its files. */
export async function readConflict(repository: Repository, merge: ConflictedMerge): Promise<Conflict[]> {
  const conflicts: Conflict[] = [];
  for (const file of merge.files) {
    conflicts.push({
      path: file.path,
      kind: file.kind,
      base: await readSide(repository, file, 1),
      ours: await readSide(repository, file, 2),
      theirs: await readSide(repository, file, 3),
      renamedFrom: file.renamedFrom ?? null,
      relatedPaths: file.relatedPaths ?? [],
    });
  }
  return conflicts;
}
