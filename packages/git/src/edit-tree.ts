import { TREE_MODE, encodeTree, isTreeEntry } from "./git-object.ts";
import type { TreeEntry } from "./git-object.ts";
import type { Repository } from "./repository.ts";

/** What a path (bytes as latin1, slash-separated) becomes: a file, link or submodule, or nothing. */
export interface TreeEdit {
  readonly path: string;
  readonly entry: { readonly mode: string; readonly objectId: string } | null;
}

interface EditNode {
  leaf: TreeEdit["entry"] | undefined;
  readonly children: Map<string, EditNode>;
}

function createNode(): EditNode {
  return { leaf: undefined, children: new Map() };
}

function plantEdits(edits: Iterable<TreeEdit>): EditNode {
  const root = createNode();
  for (const edit of edits) {
    let node = root;
    for (const name of edit.path.split("/")) {
      let child = node.children.get(name);
      if (child === undefined) {
        child = createNode();
        node.children.set(name, child);
      }
      node = child;
    }
    node.leaf = edit.entry;
  }
  return root;
}

async function applyNode(
  repository: Repository,
  treeId: string | null,
  node: EditNode,
): Promise<string | null> {
  const entries = new Map<string, TreeEntry>(await repository.readTree(treeId));
  for (const [name, child] of node.children) {
    const existing = entries.get(name);
    if (child.leaf !== undefined) entries.delete(name);
    if (child.leaf !== undefined && child.leaf !== null) {
      entries.set(name, { name, mode: child.leaf.mode, objectId: child.leaf.objectId });
      continue;
    }
    if (child.children.size === 0) continue;
    // A path deleted as a file and edited below has become a directory: start from nothing.
    const start = child.leaf === undefined && isTreeEntry(existing) ? existing.objectId : null;
    const written = await applyNode(repository, start, child);
    if (written === null && isTreeEntry(existing)) entries.delete(name);
    if (written !== null) entries.set(name, { name, mode: TREE_MODE, objectId: written });
  }
  return entries.size === 0 ? null : await repository.writeObject("tree", encodeTree(entries.values()));
}

/**
 * Writes the tree that `treeId` (null: the empty tree) becomes by a list of edits, and answers its id. Reads and writes
 * only the directories on the way to an edited path; a directory left empty disappears. A deletion of a path takes a
 * whole directory with it.
 */
export async function editTree(
  repository: Repository,
  treeId: string | null,
  edits: Iterable<TreeEdit>,
): Promise<string> {
  const written = await applyNode(repository, treeId, plantEdits(edits));
  return written ?? (await repository.writeObject("tree", Buffer.alloc(0)));
}
