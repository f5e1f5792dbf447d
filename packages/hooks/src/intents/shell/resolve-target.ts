import { posix } from "node:path";
import { resolvePath } from "../file-intent.ts";
import type { Certainty } from "../tool-intent.ts";
import { escapeGlob } from "./shell-scope.ts";
import type { ShellScope, ShellValue } from "./shell-scope.ts";

/** Where a value points to. */
export interface ShellTarget {
  readonly path: string;
  readonly glob: string | null;
  readonly certainty: Certainty;
}

const WILDCARD = /(?<!\\)[*?[{(]/;

/** A value taken as a path, seen from the scope's folder. */
export function resolveTarget(value: ShellValue, scope: ShellScope): ShellTarget {
  if (value.isExact) {
    const path = resolvePath(scope.cwd, value.text);
    return { path, glob: null, certainty: scope.isCwdSure || value.text.startsWith("/") ? "sure" : "likely" };
  }
  // What stands at the front may be any folder, so it is more than one name.
  const pattern = value.pattern.replace(/^\*+(?=\/|$)/, "**");
  const whole = pattern.startsWith("/") ? pattern : `${escapeGlob(scope.cwd)}/${pattern}`;
  const glob = posix.normalize(whole);
  const names = glob.split("/");
  const wild = names.findIndex((name) => WILDCARD.test(name));
  const known = (wild === -1 ? names : names.slice(0, wild)).join("/").replace(/\\(.)/g, "$1");
  const isSure = !value.isGuess && (scope.isCwdSure || pattern.startsWith("/"));
  return { path: known === "" ? "/" : known, glob, certainty: isSure ? "sure" : "likely" };
}
