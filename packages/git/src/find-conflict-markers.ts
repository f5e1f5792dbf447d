import { readEntry } from "./diff-trees.ts";
import { bytePathOf } from "./git-object.ts";
import { isRegularFile } from "./read-text-blob.ts";
import type { Repository } from "./repository.ts";

// A line of seven equals signs alone is a heading in some formats, so it takes one of the others.
const MARKER = /^(?:<{7}|>{7}|\|{7})(?: |\r?$)/m;

/** Those of some paths of a tree whose files hold conflict markers, in the order given. */
export async function findConflictMarkers(
  repository: Repository,
  tree: string,
  paths: readonly string[],
): Promise<string[]> {
  const found: string[] = [];
  for (const path of paths) {
    const entry = await readEntry(repository, tree, bytePathOf(path));
    if (!isRegularFile(entry)) continue;
    const object = await repository.readObject(entry.objectId);
    if (object !== null && MARKER.test(object.content.toString("latin1"))) found.push(path);
  }
  return found;
}
