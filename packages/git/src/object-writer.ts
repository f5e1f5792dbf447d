import { randomBytes } from "node:crypto";
import { access, chmod, mkdir, rename, stat, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { deflate } from "node:zlib";
import { CanopyError } from "@canopy/protocol";
import { hashObject } from "./git-object.ts";
import type { ObjectFormat, ObjectKind } from "./git-object.ts";

const deflateBytes = promisify(deflate);

function errnoOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** Turns a failed write to the object database into `disk.full`, `repository.read-only` or `git.failed`. */
export function writeFailure(error: unknown, path: string): CanopyError {
  const errno = errnoOf(error);
  if (errno === "ENOSPC" || errno === "EDQUOT") {
    return new CanopyError("disk.full", `the disk is full: could not write ${path}`, {
      hint: "Free some space and try again.",
      retry: true,
      cause: error,
    });
  }
  if (errno === "EACCES" || errno === "EPERM" || errno === "EROFS") {
    return new CanopyError("repository.read-only", `the repository cannot be written: ${path}`, {
      hint: "Give yourself write permission to the repository's .git folder.",
      data: { path, errno },
      cause: error,
    });
  }
  return new CanopyError("git.failed", `could not write ${path}: ${errno}`, {
    data: { path, errno },
    cause: error,
  });
}

async function makeFanOut(objectDirectory: string, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  // A repository shared by a group marks its object directory so; new ones must be writable by the group too.
  const { mode } = await stat(objectDirectory);
  if ((mode & 0o2000) !== 0) await chmod(directory, 0o2775);
}

async function placeObject(objectDirectory: string, objectId: string, bytes: Uint8Array): Promise<void> {
  const directory = join(objectDirectory, objectId.slice(0, 2));
  const target = join(directory, objectId.slice(2));
  const temporary = join(directory, `tmp_obj_${randomBytes(6).toString("hex")}`);
  const write = (): Promise<void> => writeFile(temporary, bytes, { flag: "wx", mode: 0o444 });
  try {
    await write().catch(async (error: unknown) => {
      if (errnoOf(error) !== "ENOENT") throw error;
      await makeFanOut(objectDirectory, directory);
      await write();
    });
    await rename(temporary, target);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw writeFailure(error, target);
  }
}

/** Where a new object goes. */
export interface ObjectStoreLocation {
  readonly objectDirectory: string;
  readonly objectFormat: ObjectFormat;
}

/**
 * Writes a loose object in this process and answers its id. Writing what is there already changes nothing. Throws
 * `disk.full`, `repository.read-only` or `git.failed`.
 */
export async function writeLooseObject(
  location: ObjectStoreLocation,
  kind: ObjectKind,
  content: Uint8Array,
): Promise<string> {
  const { objectDirectory, objectFormat } = location;
  const objectId = hashObject(objectFormat, kind, content);
  const target = join(objectDirectory, objectId.slice(0, 2), objectId.slice(2));
  const isThere = await access(target).then(
    () => true,
    () => false,
  );
  if (isThere) return objectId;
  const bytes = await deflateBytes(Buffer.concat([Buffer.from(`${kind} ${content.byteLength}\0`), content]), {
    level: 1,
  });
  await placeObject(objectDirectory, objectId, bytes);
  return objectId;
}
