import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, renameSync, rmSync, rmdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { CanopyError } from "@canopy/protocol";
import type { FileEdit } from "./plan-setup.ts";
import { readConfigFile } from "./read-config-file.ts";
import { setupRecordPath } from "./setup-records.ts";

/**
 * Carries a plan out: every file at once or not at all (written beside and renamed), with its mode kept, and links written through. Throws
 * `conflict` before anything is written when a file is no longer what the plan was made for.
 */
export function applyEdits(edits: readonly FileEdit[], stateDir: string): void {
  for (const edit of edits) requireUnchanged(edit);
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  for (const edit of edits) {
    // The record first: one too many does no harm, one too few costs the exact bytes.
    if (edit.record !== null)
      writeAtomically(setupRecordPath(stateDir, edit.target), `${JSON.stringify(edit.record)}\n`, 0o600);
    if (edit.after === null) rmSync(edit.target, { force: true });
    else writeAtomically(edit.target, edit.after, edit.mode);
    if (edit.record === null) rmSync(setupRecordPath(stateDir, edit.target), { force: true });
  }
  removeIfEmpty(dirname(setupRecordPath(stateDir, "")));
  for (const folder of new Set(edits.flatMap((edit) => edit.emptied))) removeIfEmpty(folder);
}

function requireUnchanged(edit: FileEdit): void {
  const now = readConfigFile(edit.path);
  if ((now?.text ?? null) === edit.before) return;
  throw new CanopyError("conflict", `${edit.path} was changed by someone else just now`, {
    hint: "nothing was written; run it again",
    retry: true,
  });
}

function writeAtomically(path: string, text: string, mode: number): void {
  // A file that nobody else may read gets a folder that nobody else may enter.
  mkdirSync(dirname(path), { recursive: true, mode: (mode & 0o077) === 0 ? 0o700 : 0o755 });
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString("hex")}`;
  try {
    writeFileSync(temporary, text, { mode: 0o600, flag: "wx" });
    chmodSync(temporary, mode);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Something else lives there by now.
  }
}
