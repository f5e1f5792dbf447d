import { editTree } from "./edit-tree.ts";
import type { TreeEdit } from "./edit-tree.ts";
import { bytePathOf } from "./git-object.ts";
import type { ConflictedFile } from "./merge-result.ts";
import type { ConflictedMerge } from "./read-conflict.ts";
import type { Repository } from "./repository.ts";
import { unionMerge } from "./union-merge.ts";

/** Which version to take as it is; `union` keeps the lines of both sides. */
export type TakenSide = "ours" | "theirs" | "base" | "union";

/** What somebody decided for a conflicted path. */
export type ConflictChoice =
  | { readonly take: TakenSide }
  | { readonly content: Buffer; readonly mode?: string }
  | { readonly delete: true };

/** A tree in which choices were applied, and the conflicted paths that still need one. */
export interface ChoiceResult {
  readonly tree: string;
  /** Sorted. Their files in the tree are as the merge left them. */
  readonly unresolved: readonly string[];
}

interface Decision {
  /** The edits of a path that its decision comes to; null when it cannot be carried out. */
  readonly edits: readonly TreeEdit[] | null;
}

const STAGE_OF = { base: 1, ours: 2, theirs: 3 } as const;

function editOf(path: string, entry: TreeEdit["entry"] | undefined): TreeEdit {
  const file = entry === undefined || entry === null ? null : { mode: entry.mode, objectId: entry.objectId };
  return { path: bytePathOf(path), entry: file };
}

/** git moves a file out of the way as `PATH~SIDE`; this is the path it belongs at. */
function originalPath(file: ConflictedFile): string {
  const shorter = (file.relatedPaths ?? []).find((path) => file.path.startsWith(`${path}~`));
  return shorter ?? file.path;
}

/** Conflicts whose files are halves of one decision: a side taken for one is taken for all that have no choice. */
function groupOf(file: ConflictedFile, files: readonly ConflictedFile[]): readonly ConflictedFile[] {
  if (file.kind !== "rename/rename" && file.kind !== "mode") return [file];
  const names = new Set([file.path, ...(file.relatedPaths ?? [])]);
  return files.filter((other) => other.kind === file.kind && names.has(other.path));
}

function choiceFor(
  file: ConflictedFile,
  merge: ConflictedMerge,
  choices: ReadonlyMap<string, ConflictChoice>,
): ConflictChoice | undefined {
  const own = choices.get(file.path);
  if (own !== undefined) return own;
  const others = groupOf(file, merge.files).map((other) => choices.get(other.path));
  const taken = new Set(
    others.flatMap((choice) => (choice !== undefined && "take" in choice ? [choice.take] : [])),
  );
  const [side] = taken;
  return side === undefined || taken.size > 1 ? undefined : { take: side };
}

/** Two halves that are different things (a file and a link): the one that is taken goes to the path both wanted. */
function takeDistinct(group: readonly ConflictedFile[], side: Exclude<TakenSide, "union">): TreeEdit[] {
  const stage = group.flatMap((file) => file.stages).find((item) => item.stage === STAGE_OF[side]);
  const path = group.map(originalPath).sort((left, right) => left.length - right.length)[0] ?? "";
  const away = group.filter((file) => file.path !== path).map((file) => editOf(file.path, null));
  return [...away, editOf(path, stage)];
}

function takeSide(
  file: ConflictedFile,
  group: readonly ConflictedFile[],
  side: TakenSide,
): TreeEdit[] | null {
  if (side === "union") return null;
  if (file.kind === "mode" && group.length > 1) return takeDistinct(group, side);
  const stage = file.stages.find((item) => item.stage === STAGE_OF[side]);
  const path = originalPath(file);
  // A file that made room for a folder: taking it takes the folder away.
  if (stage !== undefined && path !== file.path) return [editOf(file.path, null), editOf(path, stage)];
  if (side === "base" && stage !== undefined && file.renamedFrom !== undefined) {
    return [editOf(file.path, null), editOf(file.renamedFrom, stage)];
  }
  return [editOf(file.path, stage)];
}

async function decide(
  repository: Repository,
  merge: ConflictedMerge,
  file: ConflictedFile,
  choice: ConflictChoice,
): Promise<Decision> {
  if ("delete" in choice) return { edits: [editOf(file.path, null)] };
  if ("content" in choice) {
    const known = [2, 3, 1].map((stage) => file.stages.find((item) => item.stage === stage)?.mode);
    const mode = choice.mode ?? known.find((value) => value !== undefined) ?? "100644";
    const objectId = await repository.writeObject("blob", choice.content);
    return { edits: [editOf(file.path, { mode, objectId })] };
  }
  if (choice.take !== "union") return { edits: takeSide(file, groupOf(file, merge.files), choice.take) };
  if (file.kind === "mode" || file.kind === "file/directory") return { edits: null };
  const entry = await unionMerge(repository, file.stages);
  return { edits: entry === null ? null : [editOf(file.path, entry)] };
}

/**
 * Applies what people or agents decided to a conflicted merge. Taking a side that has no such file deletes it. One choice
 * stands for all halves of a rename on both sides, or of a file that became two kinds of thing; a file in the way of a
 * folder takes its place when it is taken. Paths without a choice, or with one that cannot be carried out (`union` of
 * binary files), are `unresolved`.
 */
export async function applyChoices(
  repository: Repository,
  merge: ConflictedMerge,
  choices: ReadonlyMap<string, ConflictChoice>,
): Promise<ChoiceResult> {
  const unresolved: string[] = [];
  const edits = new Map<string, TreeEdit>();
  for (const file of merge.files) {
    const choice = choiceFor(file, merge, choices);
    const decision = choice === undefined ? null : await decide(repository, merge, file, choice);
    if (decision?.edits === null || decision === null) {
      unresolved.push(file.path);
      continue;
    }
    for (const edit of decision.edits) {
      // What one half puts somewhere is not taken away by the other.
      if (edit.entry !== null || edits.get(edit.path) === undefined) edits.set(edit.path, edit);
    }
  }
  const tree = edits.size === 0 ? merge.tree : await editTree(repository, merge.tree, edits.values());
  return { tree, unresolved: unresolved.sort() };
}
