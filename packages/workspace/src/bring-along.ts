import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { copyFile, lstat, mkdir, readlink, symlink } from "node:fs/promises";
import { dirname, isAbsolute, join, normalize } from "node:path";
import { platform } from "node:process";
import { promisify } from "node:util";
import { CanopyError } from "@canopy/protocol";

const execute = promisify(execFile);

/** Files and folders of the person's checkout that a workspace gets too, such as `.env` and `node_modules`. */
export interface BringRequest {
  /** The checkout they come from. */
  readonly from: string;
  /** Paths relative to it. What is not there, or is part of the commit, is left out. */
  readonly files?: readonly string[];
  readonly directories?: readonly string[];
}

/** Something brought along: never part of what is captured. */
export interface BroughtPath {
  readonly path: string;
  readonly how: "copied" | "mounted";
}

/** Checks that a path stays inside, and makes it plain (`./a//b` becomes `a/b`). Throws `workspace.failed`. */
export function requireInnerPath(path: string): string {
  const plain = normalize(path).replace(/\/+$/, "");
  const isInner =
    plain !== "" && plain !== "." && !isAbsolute(plain) && plain !== ".." && !plain.startsWith("../");
  if (isInner && plain.split("/")[0] !== ".git" && !/[\0\n]/.test(plain)) return plain;
  throw new CanopyError(
    "workspace.failed",
    `cannot bring along ${JSON.stringify(path)}: it is not inside the checkout`,
    {
      hint: "Name files and folders relative to the root of the repository.",
    },
  );
}

async function kindAt(path: string): Promise<"file" | "directory" | "link" | null> {
  const info = await lstat(path).catch(() => null);
  if (info === null) return null;
  if (info.isSymbolicLink()) return "link";
  if (info.isDirectory()) return "directory";
  return info.isFile() ? "file" : null;
}

/** The folders of a request that are there, as plain inner paths. */
export async function selectDirectories(bring: BringRequest): Promise<string[]> {
  const paths = (bring.directories ?? []).map(requireInnerPath);
  const kinds = await Promise.all(paths.map((path) => kindAt(join(bring.from, path))));
  return paths.filter((_path, index) => kinds[index] === "directory");
}

/** True when every folder on the way to a path is a real one or not there yet: nothing leads out of the root. */
export async function staysInside(root: string, path: string): Promise<boolean> {
  for (let parent = dirname(path); parent !== "."; parent = dirname(parent)) {
    const kind = await kindAt(join(root, parent));
    if (kind !== null && kind !== "directory") return false;
  }
  return true;
}

/** Copies one folder, sharing its blocks where the file system can. */
export async function copyDirectory(source: string, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  const flags = platform === "darwin" ? ["-c", "-R", "-p"] : ["-a", "--reflink=auto", "-T"];
  await execute("cp", [...flags, "--", source, target]);
}

/** Copies the files of a request into a workspace and answers which. An existing file of the commit is never replaced. */
export async function copyFiles(bring: BringRequest, target: string): Promise<BroughtPath[]> {
  const brought: BroughtPath[] = [];
  for (const path of (bring.files ?? []).map(requireInnerPath)) {
    const source = join(bring.from, path);
    const destination = join(target, path);
    const kind = await kindAt(source);
    if (kind === null || kind === "directory" || (await kindAt(destination)) !== null) continue;
    if (!(await staysInside(target, path))) continue;
    await mkdir(dirname(destination), { recursive: true });
    if (kind === "link") await symlink(await readlink(source), destination);
    else await copyFile(source, destination, constants.COPYFILE_FICLONE);
    brought.push({ path, how: "copied" });
  }
  return brought;
}
