import { createHash } from "node:crypto";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";

/** What of a git directory Canopy may write: objects, its own refs and their logs. */
const CANOPYS = [/^objects(\/|$)/, /^(logs\/)?refs\/(heads\/)?canopy(\/|$)/, /^canopy(\/|$)/];

/**
 * Digests of all files of a git directory but those that are Canopy's, by path: index, HEAD, branches, stash, reflogs,
 * configuration, operations that go on.
 */
export async function digestGitDirectory(gitDirectory: string): Promise<Record<string, string>> {
  const digests: Record<string, string> = {};
  const entries = await readdir(gitDirectory, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name).slice(gitDirectory.length + 1);
    if (CANOPYS.some((pattern) => pattern.test(path))) continue;
    digests[path] = createHash("sha256")
      .update(await readFile(join(gitDirectory, path)))
      .digest("hex");
  }
  return digests;
}
