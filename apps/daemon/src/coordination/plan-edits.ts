import { matchesGlob } from "node:path";
import type { CoordinationConfig, EditTarget, Enforcement, Target } from "@canopy/protocol";
import type { FileIntent, GitIntent, ToolIntent } from "@canopy/hooks";
import type { Worktree } from "./find-worktree.ts";
import type { NamedTarget } from "./name-path.ts";
import { namePath } from "./name-path.ts";

/** What a tool is about to change in one work tree. */
export interface PlannedEdits {
  readonly worktree: string;
  /** Files that are claimed when nobody holds them. */
  readonly claimed: readonly EditTarget[];
  /** What must be free but is not claimed: globs, guesses, whole trees. */
  readonly checked: readonly EditTarget[];
}

/** What happens to an edit of a path that somebody holds. */
export function enforcementOf(config: CoordinationConfig, key: string): Enforcement {
  for (const rule of config.rules) {
    if (rule.paths.some((glob) => matchesGlob(key, glob) || key === glob.replace(/\/(?:\*\*)?$/, "")))
      return rule.enforcement;
  }
  return config.enforcement;
}

function ofFile(intent: FileIntent, home: Worktree): NamedTarget {
  const { key, worktree } = namePath(intent.path, home.root, home);
  if (intent.glob !== null) {
    const rest = intent.glob.slice(intent.path.length).replace(/^\//, "");
    const glob = key === "" ? rest : `${key}/${rest}`;
    return { target: { kind: "glob", key: glob, label: glob }, worktree };
  }
  const kind = intent.certainty === "whole-tree" || key === "" ? "directory" : "path";
  return { target: { kind, key, label: kind === "directory" ? `${key}/` : key }, worktree };
}

/** A git command that reaches beyond single files; staging everything is told apart from committing what is staged. */
function ofGit(intent: GitIntent, home: Worktree): NamedTarget[] {
  if (intent.touches === "refs") return [];
  const isStaging = intent.operation === "add" || intent.detail.startsWith("git commit -a");
  if (intent.touches === "index" && !isStaging) return [];
  const { worktree } = namePath(intent.path, home.root, home);
  if (intent.pathspecs.length === 0) {
    const target: Target = { kind: "directory", key: "", label: "the work tree" };
    return [{ target, worktree }];
  }
  // Of the work tree: each pathspec is a file intent of its own beside this one.
  if (intent.touches === "worktree") return [];
  return intent.pathspecs.map((path): NamedTarget => {
    const named = namePath(path, intent.path, home);
    const { key } = named;
    const isGlob = /[*?[]/.test(path);
    const kind = isGlob ? "glob" : key === "" ? "directory" : "path";
    return { target: { kind, key, label: key === "" ? "the work tree" : key }, worktree: named.worktree };
  });
}

/** Git's own folder and what lies outside of the repository are nobody's to claim. */
function isCoordinated({ kind, key }: Target): boolean {
  return kind === "resource" || (!key.startsWith("/") && key !== ".git" && !key.startsWith(".git/"));
}

/** What a tool call is about to change, by work tree. */
export function planEdits(
  intents: readonly ToolIntent[],
  home: Worktree,
  config: CoordinationConfig,
): PlannedEdits[] {
  const byTree = new Map<string, { claimed: Map<string, EditTarget>; checked: Map<string, EditTarget> }>();
  const add = ({ target, worktree }: NamedTarget, isClaimed: boolean, isGuess = false): void => {
    if (!isCoordinated(target)) return;
    const tree = byTree.get(worktree) ?? { claimed: new Map(), checked: new Map() };
    const edits = isClaimed ? tree.claimed : tree.checked;
    const rule = enforcementOf(config, target.key);
    // A guess (an unknown variable, a list from elsewhere) may be about something else: it is told, not refused.
    const enforcement = isGuess && rule !== "off" ? "warn" : rule;
    edits.set(`${target.kind}:${target.key}`, { target, enforcement });
    byTree.set(worktree, tree);
  };
  for (const intent of intents) {
    const isGuess = intent.certainty === "likely";
    if (intent.kind === "git") for (const named of ofGit(intent, home)) add(named, false, isGuess);
    else if (intent.kind !== "read") {
      const named = ofFile(intent, home);
      add(named, intent.certainty === "sure" && named.target.kind === "path", isGuess);
    }
  }
  return [...byTree].map(([worktree, { claimed, checked }]) => ({
    worktree,
    claimed: [...claimed.values()].slice(0, 500),
    checked: [...checked.values()].slice(0, 500),
  }));
}
