import { constants } from "node:fs";
import { open, readdir, lstat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { platform } from "node:process";

/** What is at a name inside a directory. `other` is a device, pipe or socket; overlay whiteouts are devices. */
export type EntryKind = "file" | "directory" | "symlink" | "other";

/** A name (bytes as latin1) inside a directory. */
export interface DirectoryEntry {
  readonly name: string;
  readonly kind: EntryKind;
}

/**
 * A directory held open, so that what is read below it stays below it even when somebody swaps a parent for a symbolic
 * link meanwhile: names are resolved against the open directory, and a link is never followed.
 */
export interface OpenDirectory extends AsyncDisposable {
  /** All entries but `.` and `..`, in no order. */
  list(): Promise<DirectoryEntry[]>;
  /** What is at a name, null when nothing is. */
  kindOf(name: string): Promise<EntryKind | null>;
  /** A directory inside this one, null when the name is not a directory. */
  openChild(name: string): Promise<OpenDirectory | null>;
  /** A regular file's content, null when the name is not one or it is larger than the limit. */
  readFile(name: string, maxBytes: number): Promise<Buffer | null>;
}

interface KindSource {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

function kindOfSource(source: KindSource): EntryKind {
  if (source.isFile()) return "file";
  if (source.isDirectory()) return "directory";
  return source.isSymbolicLink() ? "symlink" : "other";
}

function isAbsent(error: unknown): boolean {
  const errno = error instanceof Error && "code" in error ? error.code : "";
  return (
    errno === "ENOENT" || errno === "ENOTDIR" || errno === "ELOOP" || errno === "ENXIO" || errno === "EMLINK"
  );
}

async function nullWhenAbsent<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
}

async function readWhole(handle: FileHandle, maxBytes: number): Promise<Buffer | null> {
  const info = await handle.stat();
  if (!info.isFile() || info.size > maxBytes) return null;
  return await handle.readFile();
}

function joinBytes(base: string, name: string): Buffer {
  return Buffer.concat([Buffer.from(`${base}/`, "utf8"), Buffer.from(name, "latin1")]);
}

async function wrap(handle: FileHandle, path: Buffer): Promise<OpenDirectory> {
  // Without /proc (macOS) names are resolved by path; only a capture of a stopped agent is safe there.
  const base = platform === "linux" ? `/proc/self/fd/${handle.fd}` : path.toString("utf8");
  return {
    async list(): Promise<DirectoryEntry[]> {
      const entries = await readdir(base, { encoding: "buffer", withFileTypes: true });
      return entries.map((entry) => ({ name: entry.name.toString("latin1"), kind: kindOfSource(entry) }));
    },
    async kindOf(name: string): Promise<EntryKind | null> {
      const info = await nullWhenAbsent(lstat(joinBytes(base, name)));
      return info === null ? null : kindOfSource(info);
    },
    openChild: (name: string) => openFrom(joinBytes(base, name)),
    async readFile(name: string, maxBytes: number): Promise<Buffer | null> {
      const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
      const file = await nullWhenAbsent(open(joinBytes(base, name), flags));
      if (file === null) return null;
      try {
        return await readWhole(file, maxBytes);
      } finally {
        await file.close();
      }
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await handle.close();
    },
  };
}

async function openFrom(path: Buffer): Promise<OpenDirectory | null> {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
  const handle = await nullWhenAbsent(open(path, flags));
  return handle === null ? null : await wrap(handle, path);
}

/** Opens a directory by path; null when there is none, or when the last part is a symbolic link. */
export function openDirectory(path: string): Promise<OpenDirectory | null> {
  return openFrom(Buffer.from(path, "utf8"));
}
