import { CanopyError } from "@canopy/protocol";

const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_READONLY = 8;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

const HINTS: Readonly<Record<number, string>> = {
  [SQLITE_BUSY]: "another process has this database open; end it (canopy down) and try again",
  [SQLITE_LOCKED]: "another process has this database open; end it (canopy down) and try again",
  [SQLITE_READONLY]: "check the permissions of the file and of its folder",
  [SQLITE_CANTOPEN]: "check that the folder exists and that you may write to it",
  [SQLITE_CORRUPT]: "the file is damaged; restore it from a copy, or move it away to start afresh",
  [SQLITE_NOTADB]: "the file is not a database; move it away to start afresh",
};

/** The primary SQLite result code of an error that `node:sqlite` threw, or undefined when it is no such error. */
export function readSqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined;
  return typeof error.errcode === "number" ? error.errcode & 0xff : undefined;
}

/**
 * Turns a failure of SQLite into a `CanopyError`: `disk.full` when there was no room to write, else `store.failed`.
 * `data.path` names the database. Anything that is not a failure of SQLite comes back as it is.
 */
export function toStoreError(error: unknown, path: string): unknown {
  const code = readSqliteCode(error);
  if (code === undefined || !(error instanceof Error)) return error;
  if (code === SQLITE_FULL) return diskFull(path, error);
  const hint = HINTS[code];
  return new CanopyError("store.failed", `the database ${path} failed: ${error.message}`, {
    ...(hint === undefined ? {} : { hint }),
    retry: code === SQLITE_BUSY || code === SQLITE_LOCKED,
    data: { path, sqliteCode: code },
    cause: error,
  });
}

/** The error for a database that could not be written because there is no room left. */
export function diskFull(path: string, cause: unknown): CanopyError {
  return new CanopyError("disk.full", `no room left on the disk to write ${path}`, {
    hint: "free some space and try again; nothing that was acknowledged is lost",
    retry: true,
    data: { path },
    cause,
  });
}
