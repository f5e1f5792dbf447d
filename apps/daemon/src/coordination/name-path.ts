import { isAbsolute, join, normalize, relative, resolve } from "node:path";
import type { Target } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol";
import type { Worktree } from "./find-worktree.ts";
import { findWorktree, realPrefix } from "./find-worktree.ts";

/** A path under its canonical name. */
export interface NamedPath {
  /** Relative to the root of its work tree; absolute outside of the repository. */
  readonly key: string;
  /** Root of the work tree it lies in, the one that was asked from when it lies outside. */
  readonly worktree: string;
}

function fold(key: string, worktree: Worktree): string {
  const composed = key.normalize("NFC");
  return worktree.foldsCase ? composed.toLowerCase() : composed;
}

function isBelow(path: string, root: string): boolean {
  const rest = relative(root, path);
  return rest !== ".." && !rest.startsWith("../") && !isAbsolute(rest);
}

/**
 * The one name of a file, however it was written: relative, absolute, through symbolic links, in another case where the
 * file system folds it, in another Unicode form, in another work tree of the same repository. What is not there yet is
 * named by the folder that is.
 */
export function namePath(path: string, cwd: string, home: Worktree): NamedPath {
  const real = realPrefix(resolve(cwd, path));
  if (isBelow(real, home.root)) return { key: fold(relative(home.root, real), home), worktree: home.root };
  const other = findWorktree(real);
  return other !== null && other.commonDir === home.commonDir
    ? { key: fold(relative(other.root, real), other), worktree: other.root }
    : { key: fold(real, home), worktree: home.root };
}

const RESOURCE = /^[a-z][a-z0-9-]{1,30}:(?!\/)/;
const MAGIC = /[*?[]/;

/** The folder above the first wildcard, and the rest. */
function splitGlob(glob: string): readonly [folder: string, rest: string] {
  const parts = glob.split("/");
  const first = parts.findIndex((part) => MAGIC.test(part));
  return [parts.slice(0, first).join("/"), parts.slice(first).join("/")];
}

function nameGlob(glob: string, cwd: string, home: Worktree): NamedPath {
  const [folder, rest] = splitGlob(glob);
  const base = namePath(folder === "" && glob.startsWith("/") ? "/" : folder || ".", cwd, home);
  return { ...base, key: fold(normalize(join(base.key, rest)), home) };
}

function expandBraces(glob: string): string[] {
  const match = /\{([^{}]*,[^{}]*)\}/.exec(glob);
  if (match === null) return [glob];
  const before = glob.slice(0, match.index);
  const after = glob.slice(match.index + match[0].length);
  return (match[1] ?? "").split(",").flatMap((choice) => expandBraces(`${before}${choice}${after}`));
}

const MAX_EXPANDED = 64;

/** A target with where it is. */
export interface NamedTarget {
  readonly target: Target;
  readonly worktree: string;
}

/**
 * Targets from what people and agents type: a path, `DIR/` for a folder (or the path of one), a glob (with braces), or
 * `TYPE:NAME` for a resource. Throws `usage.invalid`.
 */
export function nameTargets(
  text: string,
  cwd: string,
  home: Worktree,
  isFolder: (path: string) => boolean,
): NamedTarget[] {
  if (text.trim() === "" || text.includes("\0"))
    throw new CanopyError("usage.invalid", `${JSON.stringify(text)} names no file`);
  if (RESOURCE.test(text))
    return [{ target: { kind: "resource", key: text, label: text }, worktree: home.root }];
  if (MAGIC.test(text) || /\{[^{}]*,[^{}]*\}/.test(text)) {
    const globs = expandBraces(text);
    if (globs.length > MAX_EXPANDED)
      throw new CanopyError("usage.invalid", `${text} stands for more than ${MAX_EXPANDED} globs`);
    return globs.map((glob) => {
      const { key, worktree } = MAGIC.test(glob) ? nameGlob(glob, cwd, home) : namePath(glob, cwd, home);
      return { target: { kind: MAGIC.test(glob) ? "glob" : "path", key, label: key }, worktree };
    });
  }
  const { key, worktree } = namePath(text, cwd, home);
  const isDirectory = text.endsWith("/") || key === "" || isFolder(resolve(cwd, text));
  const label = isDirectory ? `${key}/` : key;
  return [{ target: { kind: isDirectory ? "directory" : "path", key, label }, worktree }];
}
