import { readdir } from "node:fs/promises";
import type { Dirent } from "node:fs";
import { join } from "node:path";

/**
 * All files below a folder, as full paths, of a tree that others write to meanwhile: a folder that vanishes between
 * being listed and being read counts as empty. (`readdir` with `recursive` throws ENOENT there.)
 */
export async function listFiles(folder: string): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await readUnlessGone(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) files.push(...(await listFiles(path)));
    else files.push(path);
  }
  return files;
}

async function readUnlessGone(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
