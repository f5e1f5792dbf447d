import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { listClientFiles, listManagedFiles } from "./list-managed-files.ts";
import type { ManagedFile, SetupRecord } from "./managed-file.ts";
import { readConfigFile } from "./read-config-file.ts";
import type { ConfigFile } from "./read-config-file.ts";
import type { SetupRequest } from "./setup-request.ts";
import { readSetupRecord } from "./setup-records.ts";
import { cutAll, findAndCutAll, insertAll, shiftAll } from "./text-insertion.ts";
import type { TextInsertion } from "./text-insertion.ts";

/** One file that changes. Texts are whole files; null is no file. */
export interface FileEdit {
  /** As a person knows it. */
  readonly path: string;
  /** What is written: where a symbolic link leads to. */
  readonly target: string;
  readonly before: string | null;
  readonly after: string | null;
  readonly mode: number;
  /** What to remember of it afterwards, null to forget it. */
  readonly record: SetupRecord | null;
  /** Folders to remove after a file of ours, if they are empty, innermost first. */
  readonly emptied: readonly string[];
}

const BOM = "\uFEFF";

/** SHA-256 of a text, in hex. */
export function hashText(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** What setting an agent up would change, file by file; empty when all is as it should be. Throws `config.invalid` and `conflict`. */
export function planSetup(request: SetupRequest): FileEdit[] {
  return listManagedFiles(request).flatMap((file) => planInstall(file, request.stateDir));
}

/**
 * What taking it out again would change. A file that nobody changed since gets its old bytes back; in one that was changed, ours goes and all
 * else stays. The command client stays for the others: see `planClientRemoval`.
 */
export function planUninstall(request: SetupRequest): FileEdit[] {
  const shared = new Set(listClientFiles(request.stateDir).map(({ path }) => path));
  return listManagedFiles(request)
    .filter((file) => !shared.has(file.path))
    .flatMap((file) => planRemoval(file, request.stateDir));
}

/** Puts the command client where hooks look for it; git's hooks need nothing else. */
export function planClientSetup(stateDir: string): FileEdit[] {
  return listClientFiles(stateDir).flatMap((file) => planInstall(file, stateDir));
}

/** Takes the command client away, when nothing that uses it is set up any more. */
export function planClientRemoval(stateDir: string): FileEdit[] {
  return listClientFiles(stateDir).flatMap((file) => planRemoval(file, stateDir));
}

/** What putting ours into one file would change. */
export function planInstall(file: ManagedFile, stateDir: string): FileEdit[] {
  const current = readConfigFile(file.path);
  if (current !== null && file.isCurrent(bodyOf(current.text))) return [];
  const target = current?.target ?? file.path;
  const record = readSetupRecord(stateDir, target);
  const base = current === null ? null : withoutOwn(file, current, record);
  const { after, pieces } = insertOwn(file, base ?? "");
  const traces = tracesOf(current, record, target);
  return [
    {
      path: file.path,
      target,
      before: current?.text ?? null,
      after,
      // What gets a token must not be open to others, however open it was.
      mode: current === null ? file.mode : current.mode & (isSecret(file) ? 0o700 : 0o7777),
      record: {
        path: target,
        hash: hashText(after),
        pieces,
        isNew: base === null,
        mode: traces.mode,
        folders: traces.folders,
      },
      emptied: [],
    },
  ];
}

function isSecret(file: ManagedFile): boolean {
  return (file.mode & 0o077) === 0;
}

function insertOwn(file: ManagedFile, base: string): { after: string; pieces: TextInsertion[] } {
  const bom = base.startsWith(BOM) ? BOM : "";
  const insertions = file.insert(bodyOf(base));
  const pieces = shiftAll(insertions).map(({ offset, text }) => ({ offset: offset + bom.length, text }));
  return { after: bom + insertAll(bodyOf(base), insertions), pieces };
}

/** What of the file's place has to be put back some day. */
function tracesOf(
  current: ConfigFile | null,
  record: SetupRecord | null,
  target: string,
): Pick<SetupRecord, "mode" | "folders"> {
  if (current === null) return { mode: null, folders: missingFolders(dirname(target)) };
  return record ?? { mode: current.mode, folders: [] };
}

/** What taking ours out of one file would change. */
export function planRemoval(file: ManagedFile, stateDir: string): FileEdit[] {
  const current = readConfigFile(file.path);
  if (current === null) return [];
  const record = readSetupRecord(stateDir, current.target);
  const after = withoutOwn(file, current, record);
  if (after === current.text) return [];
  const emptied = after === null ? (record?.folders ?? []).toReversed() : [];
  const mode = record?.mode ?? current.mode;
  return [
    { path: file.path, target: current.target, before: current.text, after, mode, record: null, emptied },
  ];
}

/** The file as it would be without ours; null when it was made for ours alone. */
function withoutOwn(file: ManagedFile, current: ConfigFile, record: SetupRecord | null): string | null {
  const { text } = current;
  if (record !== null && record.hash === hashText(text))
    return record.isNew ? null : (cutAll(text, record.pieces) ?? text);
  if (!file.hasOwn(bodyOf(text))) return text;
  const found = record === null ? null : findAndCutAll(text, record.pieces);
  const isFound = found !== null && isClean(file, found);
  const bom = text.startsWith(BOM) ? BOM : "";
  const rest = isFound ? found : bom + file.remove(bodyOf(text));
  // Without a record, only a file with nothing left in it at all counts as made for ours.
  const wasMade = record === null ? bodyOf(rest) === "" : record.isNew;
  return wasMade && file.isNothing(bodyOf(rest)) ? null : rest;
}

function isClean(file: ManagedFile, text: string): boolean {
  try {
    return !file.hasOwn(bodyOf(text)) && file.insert(bodyOf(text)).length > 0;
  } catch {
    // The pieces were found, but what is left is no file that could be read: then by its structure.
    return false;
  }
}

function bodyOf(text: string): string {
  return text.startsWith(BOM) ? text.slice(1) : text;
}

function missingFolders(folder: string): string[] {
  if (existsSync(folder)) return [];
  const parent = dirname(folder);
  return parent === folder ? [folder] : [...missingFolders(parent), folder];
}
