import type { Target } from "@canopy/protocol";
import { escapeGlob, globsOverlap } from "./glob-overlap.ts";

function isInside(key: string, directory: string): boolean {
  if (key === directory) return true;
  if (directory === "") return !key.startsWith("/");
  return key.startsWith(directory.endsWith("/") ? directory : `${directory}/`);
}

function toGlob({ kind, key }: Target): string {
  if (kind === "glob") return key;
  if (kind === "path") return escapeGlob(key);
  return key === "" ? "**" : `${escapeGlob(key)}/**`;
}

/** True when two targets have something in common. Resources only meet resources of the same name. */
export function targetsOverlap(a: Target, b: Target): boolean {
  if (a.kind === "resource" || b.kind === "resource") return a.kind === b.kind && a.key === b.key;
  if (a.kind === "glob" || b.kind === "glob") return globsOverlap(toGlob(a), toGlob(b));
  if (a.kind === "path" && b.kind === "path") return a.key === b.key;
  if (a.kind === "path") return isInside(a.key, b.key);
  if (b.kind === "path") return isInside(b.key, a.key);
  return isInside(a.key, b.key) || isInside(b.key, a.key);
}

/** True when all of `inner` lies in `outer`, as far as that can be told: a glob only covers what is equal or one path. */
export function targetCovers(outer: Target, inner: Target): boolean {
  if (outer.kind === inner.kind && outer.key === inner.key) return true;
  if (outer.kind === "directory") {
    if (inner.kind === "path" || inner.kind === "directory") return isInside(inner.key, outer.key);
    return false;
  }
  return outer.kind === "glob" && inner.kind === "path" && targetsOverlap(outer, inner);
}

/** The folders above a path, nearest first, the root (`` or `/`) last. */
export function listParents(key: string): string[] {
  const parents: string[] = [];
  for (let end = key.lastIndexOf("/"); end > 0; end = key.lastIndexOf("/", end - 1)) {
    parents.push(key.slice(0, end));
  }
  parents.push(key.startsWith("/") ? "/" : "");
  return parents;
}
