import { lstat, mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import type { ChangeConflict, ConflictDetail, ResolveInput } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol/errors";

/** Where the versions of both sides lie, and what the folder is for. */
const NOTES = ".canopy-conflict";
const MANIFEST = "conflict.json";
const SIDES = ["base", "ours", "theirs"] as const;

interface Manifest {
  readonly changeId: string;
  readonly tip: string;
  readonly files: readonly {
    readonly path: string;
    readonly kind: string;
    readonly isLaidOut: boolean;
    readonly mode: string;
  }[];
}

/** Paths come from a repository: none may lead out of the folder. */
function placeFor(folder: string, path: string): string {
  const place = resolve(folder, path);
  if (place.startsWith(resolve(folder) + sep) && path.split("/")[0] !== NOTES) return place;
  throw new CanopyError("usage.invalid", `a path that no folder can hold: ${JSON.stringify(path)}`);
}

async function writeNew(place: string, content: string | Buffer, mode = 0o644): Promise<void> {
  await mkdir(dirname(place), { recursive: true });
  await writeFile(place, content, { flag: "wx", mode });
}

async function layOutFile(folder: string, file: ConflictDetail): Promise<void> {
  const { merged } = file;
  if (merged !== null) {
    const content = Buffer.from(merged.content, merged.encoding ?? "utf8");
    await writeNew(placeFor(folder, file.path), content, merged.mode === "100755" ? 0o755 : 0o644);
  }
  for (const side of SIDES) {
    const version = file[side];
    if (version?.text == null || version.isCut) continue;
    await writeNew(placeFor(join(folder, NOTES, side), file.path), version.text);
  }
}

/**
 * Lays the conflicted files out in an empty or new folder, markers included, with the three versions of each below
 * `.canopy-conflict`. Symbolic links are laid out as files that hold their target. Throws `usage.invalid`.
 */
export async function layOutConflict(folder: string, conflict: ChangeConflict): Promise<readonly string[]> {
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0) {
    throw new CanopyError("usage.invalid", `${folder} is not empty`, { hint: "name a new folder" });
  }
  for (const file of conflict.files) await layOutFile(folder, file);
  const manifest: Manifest = {
    changeId: conflict.changeId,
    tip: conflict.tip,
    files: conflict.files.map(({ path, kind, merged }) => ({
      path,
      kind,
      isLaidOut: merged !== null,
      mode: merged?.mode ?? "100644",
    })),
  };
  await writeNew(join(folder, NOTES, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
  return conflict.files.map((file) => file.path);
}

async function readManifest(folder: string): Promise<Manifest> {
  try {
    return parseManifest(JSON.parse(await readFile(join(folder, NOTES, MANIFEST), "utf8")));
  } catch (error) {
    throw new CanopyError("usage.invalid", `no conflict was laid out in ${folder}`, {
      hint: "lay it out with: canopy queue resolve CHANGE --checkout DIR",
      cause: error,
    });
  }
}

/** Our own file, though a person may have edited it: its paths are checked where they are used. */
function parseManifest(value: unknown): Manifest {
  const manifest = value as Manifest;
  if (typeof manifest.changeId !== "string" || !Array.isArray(manifest.files))
    throw new Error("not a manifest");
  return manifest;
}

type Choice = ResolveInput["choices"][string];

async function readChoice(folder: string, file: Manifest["files"][number]): Promise<Choice> {
  const place = placeFor(folder, file.path);
  const found = await lstat(place).catch(() => null);
  if (found === null) return { delete: true };
  if (!found.isFile()) {
    throw new CanopyError("usage.invalid", `${file.path} is no ordinary file`, {
      hint: "a symbolic link is written as a file that holds its target",
    });
  }
  const bytes = await readFile(place);
  const text = bytes.toString("utf8");
  const isText = Buffer.from(text, "utf8").equals(bytes);
  const plain = (found.mode & 0o100) !== 0 ? "100755" : "100644";
  const mode = file.mode === "120000" ? "120000" : plain;
  return isText
    ? { content: text, encoding: "utf8", mode }
    : { content: bytes.toString("base64"), encoding: "base64", mode };
}

/** A file that was not laid out and is still missing was decided by nobody. */
async function isUndecided(folder: string, file: Manifest["files"][number]): Promise<boolean> {
  if (file.isLaidOut || file.kind === "modify/delete" || file.kind === "rename/delete") return false;
  return (await lstat(placeFor(folder, file.path)).catch(() => null)) === null;
}

/** What was decided in a folder, and the branch's commit that its files were laid out of. */
export interface FolderChoices {
  readonly tip: string;
  readonly choices: ResolveInput["choices"];
}

/** Reads the files of a folder back as choices: what is missing is deleted. Throws `usage.invalid`. */
export async function readConflictFolder(folder: string, changeId: string): Promise<FolderChoices> {
  const manifest = await readManifest(folder);
  if (manifest.changeId !== changeId) {
    throw new CanopyError("usage.invalid", `${folder} holds the conflict of ${manifest.changeId}`);
  }
  const choices: Record<string, Choice> = {};
  for (const file of manifest.files) {
    if (!(await isUndecided(folder, file))) choices[file.path] = await readChoice(folder, file);
  }
  return { tip: manifest.tip, choices };
}
