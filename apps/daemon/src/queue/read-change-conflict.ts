import type { ChangeConflict, ConflictDetail, FileContent, LandedIntent } from "@canopy/protocol";
import { selectChanges } from "@canopy/core";
import type { Conflict, ConflictedMerge, Repository } from "@canopy/git";
import { readConflict, readTreeFile } from "@canopy/git";
import type { ChangeMerge, QueueProject } from "./change-merge.ts";
import { mergeChange } from "./change-merge.ts";

const MAX_MERGED_BYTES = 8_388_608;
const MAX_INTENT_CHARS = 8000;
const MAX_COMMITS = 50;

type Side = ConflictDetail["ours"];

function toVersion(side: Conflict["ours"]): Side {
  if (side === null) return null;
  const { mode, sizeBytes, isBinary, text, isCut } = side;
  return { mode, sizeBytes, isBinary, text, isCut };
}

function parseMode(mode: string): FileContent["mode"] {
  return mode === "100755" || mode === "120000" ? mode : "100644";
}

async function readMerged(repository: Repository, tree: string, path: string): Promise<FileContent | null> {
  const file = await readTreeFile(repository, tree, path);
  if (file === null || file.content.length > MAX_MERGED_BYTES) return null;
  const text = file.content.toString("utf8");
  const isText = Buffer.from(text, "utf8").equals(file.content);
  const mode = parseMode(file.mode);
  return isText
    ? { content: text, encoding: "utf8", mode }
    : { content: file.content.toString("base64"), encoding: "base64", mode };
}

async function readFiles(repository: Repository, merge: ConflictedMerge): Promise<ConflictDetail[]> {
  const files: ConflictDetail[] = [];
  for (const file of await readConflict(repository, merge)) {
    files.push({
      path: file.path,
      kind: file.kind,
      base: toVersion(file.base),
      ours: toVersion(file.ours),
      theirs: toVersion(file.theirs),
      renamedFrom: file.renamedFrom,
      relatedPaths: [...file.relatedPaths],
      merged: await readMerged(repository, merge.tree, file.path),
    });
  }
  return files;
}

/** Commits of the branch since the change was begun that touch its conflicted paths, newest first. */
async function readLanded(
  { room, repository }: QueueProject,
  merged: ChangeMerge,
  paths: readonly string[],
): Promise<LandedIntent[]> {
  if (paths.length === 0) return [];
  const range = `${merged.change.baseCommit}..${merged.tip}`;
  const output = await repository.git([
    "--literal-pathspecs",
    "log",
    `--max-count=${MAX_COMMITS}`,
    "--no-merges",
    "--no-renames",
    "--no-show-signature",
    "--encoding=UTF-8",
    "--name-only",
    "-z",
    "--format=%x01%H%x00%s",
    range,
    "--",
    ...paths,
  ]);
  const byCommit = new Map(
    room.read((sql) => selectChanges(sql)).map((change) => [change.landedCommit, change.taskId]),
  );
  const records = output.stdout.toString("utf8").split("\u0001").slice(1);
  return records.map((record) => {
    const [commit = "", subject = "", ...names] = record.split("\0");
    const touched = names.map((name) => name.replace(/^\n/, "")).filter((name) => name !== "");
    return { commit, subject, taskId: byCommit.get(commit) ?? null, paths: touched };
  });
}

/** Everything there is to decide a change's conflict on, as it merges now. Throws `thing.not-found`, `git.failed`. */
export async function readChangeConflict(project: QueueProject, changeId: string): Promise<ChangeConflict> {
  const merged = await mergeChange(project, changeId);
  const { change, task, attempt, tip, merge } = merged;
  const isConflicted = merge.state === "conflicted";
  const files = isConflicted ? await readFiles(project.repository, merge) : [];
  const paths = files.flatMap((file) => [
    file.path,
    ...(file.renamedFrom === null ? [] : [file.renamedFrom]),
  ]);
  return {
    changeId: change.changeId,
    tip,
    commit: change.commit,
    isConflicted,
    files,
    messages: isConflicted ? [...merge.messages] : [],
    intent: {
      taskId: change.taskId,
      title: task?.title ?? "",
      description: (task?.description ?? "").slice(0, MAX_INTENT_CHARS),
      summary: (attempt?.summary ?? "").slice(0, MAX_INTENT_CHARS),
    },
    landed: await readLanded(project, merged, [...new Set(paths)]),
  };
}
