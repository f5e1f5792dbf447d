import { statfs } from "node:fs/promises";
import { CanopyError, isCanopyError } from "@canopy/protocol";

const FULL_DISK_BYTES = 256 * 1024;

function errnoOf(failure: unknown): string {
  return failure instanceof Error && "code" in failure ? String(failure.code) : "";
}

/**
 * Turns a failure to make something in a folder into a `CanopyError`: `disk.full` when the file system has no room left
 * (also when only another program, such as git, knows why it failed), else what it was, else `workspace.failed`.
 */
export async function explainFailure(failure: unknown, directory: string): Promise<CanopyError> {
  if (isCanopyError(failure) && (failure.code === "cancelled" || failure.code === "disk.full"))
    return failure;
  const errno = errnoOf(failure);
  const space = await statfs(directory).catch(() => null);
  const isFull =
    space !== null && (space.bavail * space.bsize < FULL_DISK_BYTES || (space.files > 0 && space.ffree < 8));
  if (isFull || errno === "ENOSPC" || errno === "EDQUOT") {
    return new CanopyError("disk.full", `the disk is full: could not write in ${directory}`, {
      hint: "Free some space in Canopy's cache folder and try again.",
      retry: true,
      data: { directory },
      cause: failure,
    });
  }
  if (isCanopyError(failure)) return failure;
  const what = failure instanceof Error ? failure.message : String(failure);
  return new CanopyError("workspace.failed", `the workspace could not be made in ${directory}: ${what}`, {
    data: { directory, errno },
    cause: failure,
  });
}
