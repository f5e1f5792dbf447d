import type { Change, Resolution, ResolveRequest } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol";
import type { ConflictChoice, ConflictedMerge, Repository } from "@canopy/git";
import {
  RESOLVED_REF_PREFIX,
  applyChoices,
  findConflictMarkers,
  listChanges,
  readCommitDetails,
  readRef,
  updateRefs,
  writeCommit,
} from "@canopy/git";
import { RejectedError } from "@canopy/server";
import type { Asked } from "@canopy/server";
import type { QueueProject } from "./change-merge.ts";
import { mergeChange } from "./change-merge.ts";

/** A commit that is to be a change's work from now on. */
export interface NewWork {
  readonly change: Change;
  readonly commit: string;
  readonly baseCommit: string;
  readonly detail: string;
  readonly paths: readonly string[];
}

/** A tree to stand on a branch's tip in place of a change's work. */
export interface NewTree {
  readonly change: Change;
  readonly tip: string;
  readonly tree: string;
  /** Whose message and author it keeps. */
  readonly like: string;
  readonly asker: string;
}

function parseChoice(choice: ResolveRequest["choices"][string]): ConflictChoice {
  if (!("content" in choice)) return choice;
  const content = Buffer.from(choice.content, choice.encoding === "base64" ? "base64" : "utf8");
  return choice.mode === undefined ? { content } : { content, mode: choice.mode };
}

function listPaths(paths: readonly string[]): string {
  const shown = paths.slice(0, 10).join(", ");
  return paths.length > 10 ? `${shown} and ${paths.length - 10} more` : shown;
}

/** What landed since the choices were made must not be overwritten by files that do not have it. */
async function requireSameFiles(
  repository: Repository,
  tip: string,
  { tip: seen, choices }: ResolveRequest,
): Promise<void> {
  if (seen === undefined || seen === tip) return;
  if ((await readRef(repository, seen)) === null)
    throw new CanopyError("request.invalid", `there is no commit ${seen}`);
  const moved = new Set((await listChanges(repository, seen, tip)).map(({ path }) => path));
  const stale = Object.keys(choices).filter((path) => moved.has(path));
  if (stale.length === 0) return;
  throw new CanopyError("conflict", `the branch has moved on since then, in: ${listPaths(stale)}`, {
    hint: "look at the conflict as it is now, and choose again",
    data: { stale },
  });
}

/** Everything that is wrong with choices is said before anything is kept. */
async function applyAll(
  repository: Repository,
  merge: ConflictedMerge,
  { choices }: ResolveRequest,
): Promise<string> {
  const known = new Set(merge.files.map((file) => file.path));
  const unknown = Object.keys(choices).filter((path) => !known.has(path));
  if (unknown.length > 0) {
    throw new CanopyError("request.invalid", `not in conflict: ${listPaths(unknown)}`, {
      hint: `in conflict: ${listPaths([...known])}`,
    });
  }
  const made = new Map(Object.entries(choices).map(([path, choice]) => [path, parseChoice(choice)]));
  const { tree, unresolved } = await applyChoices(repository, merge, made);
  if (unresolved.length > 0) {
    throw new CanopyError("conflict", `still unresolved: ${listPaths(unresolved)}`, {
      hint: "choose for every one of them; files that are no text cannot have the lines of both sides",
      data: { unresolved: [...unresolved] },
    });
  }
  const marked = await findConflictMarkers(repository, tree, [...known]);
  if (marked.length === 0) return tree;
  throw new CanopyError("conflict", `conflict markers are left in: ${listPaths(marked)}`, {
    hint: "edit these files until no line begins with <<<<<<<, ||||||| or >>>>>>>",
    data: { marked },
  });
}

/** Writes a tree as a commit on a branch's tip, with the message and author of another commit. Moves nothing. */
export async function writeNewTree(
  project: QueueProject,
  { tip, tree, like, asker }: NewTree,
): Promise<string> {
  const { repository } = project;
  const { author, message } = await readCommitDetails(repository, like);
  const person = (await repository.readSettings()).person ?? {
    name: asker,
    email: `${asker.replaceAll(/[^A-Za-z0-9._-]/g, "-")}@canopy.invalid`,
  };
  return await writeCommit(repository, {
    tree,
    parents: [tip],
    author,
    committer: { ...person, atMs: Date.now() },
    message,
  });
}

/** Keeps a commit under the change's ref and queues it as the change's work. Throws what the room refuses. */
export async function submitNewWork(project: QueueProject, work: NewWork, asked: Asked): Promise<Resolution> {
  const { repository, room } = project;
  const { change, commit, baseCommit, paths } = work;
  const { changeId } = change;
  const ref = `${RESOLVED_REF_PREFIX}${changeId}`;
  const before = await readRef(repository, ref);
  await updateRefs(repository, [{ ref, newCommit: commit, oldCommit: before }]);
  const filesChanged = (await listChanges(repository, baseCommit, commit)).length;
  const command = {
    type: "change.resolve",
    changeId,
    commit,
    baseCommit,
    filesChanged,
    detail: work.detail,
    paths: paths.slice(0, 10_000),
  } as const;
  const answer = room.submit({ key: asked.key, actor: asked.actor, command });
  if (answer.type === "rejection") {
    // Refused work is not the change's: what was kept before stays.
    await updateRefs(repository, [{ ref, newCommit: before, oldCommit: commit }]);
    throw new RejectedError(answer);
  }
  return { changeId, commit, baseCommit, ref, paths: [...paths] };
}

/**
 * Resolves a conflicted change by choices: it is merged again with its branch as it is now. Throws `conflict` while paths
 * are unresolved, hold markers, or when nothing conflicts any more; and what the room refuses.
 */
export async function resolveChange(
  project: QueueProject,
  changeId: string,
  request: ResolveRequest,
  asked: Asked,
): Promise<Resolution> {
  const { change, tip, merge } = await mergeChange(project, changeId);
  await requireSameFiles(project.repository, tip, request);
  if (merge.state === "clean") {
    throw new CanopyError("conflict", `change ${changeId} merges with the branch as it is now`, {
      hint: `try it again: canopy queue retry ${changeId}`,
    });
  }
  const tree = await applyAll(project.repository, merge, request);
  const asker = asked.actor.id;
  const commit = await writeNewTree(project, { change, tip, tree, like: change.commit, asker });
  const paths = Object.keys(request.choices).sort();
  const detail = request.detail === "" ? `resolved ${paths.length} conflicted files` : request.detail;
  return await submitNewWork(project, { change, commit, baseCommit: tip, detail, paths }, asked);
}
