import type { ChangeConflict, ConflictDetail, Task } from "@canopy/protocol";
import { sanitizeLine } from "../output/format.ts";

type Tasks = ReadonlyMap<string, Task>;

/** Who on the branch touched a path since the change was begun: their tasks, else their commits. */
function whoLanded(conflict: ChangeConflict, paths: readonly string[], tasks: Tasks): string {
  const commits = conflict.landed.filter((item) => item.paths.some((path) => paths.includes(path)));
  if (commits.length === 0) return "the branch";
  const names = commits.slice(0, 3).map(({ taskId, commit, subject }) => {
    const number = tasks.get(taskId ?? "")?.number;
    return number === undefined
      ? `${commit.slice(0, 10)} "${sanitizeLine(subject)}"`
      : `#${number} "${sanitizeLine(subject)}"`;
  });
  const more = commits.length > 3 ? ` and ${commits.length - 3} more` : "";
  return `the branch (${names.join(", ")}${more})`;
}

function describeDelete(file: ConflictDetail, branch: string): string[] {
  const isBranchDeleted = file.ours === null;
  const [deleter, editor] = isBranchDeleted ? [branch, "this change"] : ["this change", branch];
  const [deleted, edited] = isBranchDeleted ? ["ours", "theirs"] : ["theirs", "ours"];
  return [
    `deleted by ${deleter}, edited by ${editor}`,
    `${deleted}: it stays deleted, the edit is lost`,
    `${edited}: it comes back as ${isBranchDeleted ? "this change" : "the branch"} edited it`,
    "base: it comes back as it was before both",
  ];
}

function describeRenameDelete(file: ConflictDetail, branch: string): string[] {
  const isBranchDeleted = file.ours === null;
  const from = sanitizeLine(file.renamedFrom ?? file.relatedPaths[0] ?? "it");
  const [deleter, renamer] = isBranchDeleted ? [branch, "this change"] : ["this change", branch];
  const [deleted, renamed] = isBranchDeleted ? ["ours", "theirs"] : ["theirs", "ours"];
  return [
    `${from} was deleted by ${deleter}, renamed to this path by ${renamer}`,
    `${deleted}: it stays deleted, under both names`,
    `${renamed}: it stays under its new name`,
    "base: the rename is undone, it comes back under its old name",
  ];
}

function describeRest(file: ConflictDetail, branch: string): string[] {
  switch (file.kind) {
    case "content":
      return [`the same lines were changed by ${branch} and by this change`];
    case "add/add":
      return [`added by ${branch} and by this change, differently`];
    case "binary":
      return [`no text: changed by ${branch} and by this change; one version has to win`];
    case "rename/rename":
      return [
        `renamed differently by ${branch} and by this change`,
        `also: ${file.relatedPaths.map((path) => sanitizeLine(path)).join(", ")}`,
      ];
    case "file/directory":
      return [
        "a file on one side stands where the other has a folder; taking the file takes the folder away",
      ];
    case "mode":
      return [`different kinds of file on ${branch} and in this change`];
    case "submodule":
      return [`the submodule was moved by ${branch} and by this change`];
    default:
      return [`changed by ${branch} and by this change`];
  }
}

/** One conflicted file for people: what happened on which side, and what each choice would mean. */
export function describeConflictFile(
  file: ConflictDetail,
  conflict: ChangeConflict,
  tasks: Tasks,
): readonly string[] {
  const paths = [file.path, ...(file.renamedFrom === null ? [] : [file.renamedFrom])];
  const branch = whoLanded(conflict, paths, tasks);
  if (file.kind === "modify/delete") return describeDelete(file, branch);
  if (file.kind === "rename/delete") return describeRenameDelete(file, branch);
  return describeRest(file, branch);
}

/** A change's conflict for people, file by file, and how to go on. */
export function formatConflict(conflict: ChangeConflict, tasks: Tasks): string[] {
  if (!conflict.isConflicted) {
    return [`merges with the branch as it is now: canopy queue retry ${conflict.changeId}`];
  }
  const lines = conflict.files.flatMap((file) => [
    `conflict ${sanitizeLine(file.path)} (${file.kind})`,
    ...describeConflictFile(file, conflict, tasks).map((line) => `           ${line}`),
  ]);
  return [
    ...lines,
    "ours is the branch, theirs this change, base what both come from, union the lines of both",
    `choose   canopy queue take ours|theirs|base|union ${conflict.changeId} [PATH[=SIDE]...]`,
    `or edit  canopy queue resolve ${conflict.changeId} --checkout DIR, then: --from DIR`,
  ];
}
