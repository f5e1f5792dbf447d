/**
 * How far an intent is known. `sure`: exactly this path (a folder stands for what is below it), or exactly this glob. `likely`: a guess, for a
 * variable, a list from elsewhere or the folder is not known; enough to warn, not to refuse. `whole-tree`: anything at and below the path. It
 * is about the path: whether a command after `&&` will run at all is never known.
 */
export type Certainty = "sure" | "likely" | "whole-tree";

/** What a tool is about to do (or did) to one path. `move` names where something goes away from; where it arrives is a `write`. */
export interface FileIntent {
  readonly kind: "read" | "write" | "delete" | "move";
  /** Absolute and normalised, symbolic links not resolved. Of a glob it is the folder above the first wildcard. */
  readonly path: string;
  /** The whole absolute pattern when the path came from a glob, else null. */
  readonly glob: string | null;
  readonly certainty: Certainty;
  /** What does it, for a person: `Edit`, `sed -i`, `> redirection`. */
  readonly detail: string;
}

/** What a git command changes: files of the work tree (and perhaps the index and HEAD), only the index, or only refs. */
export type GitTouches = "worktree" | "index" | "refs";

/**
 * A git command that reaches beyond single files. With pathspecs, the files it names are also told as `write` or `delete` intents, so who
 * only looks at paths needs nothing else; without, everything in the work tree may change (`whole-tree`).
 */
export interface GitIntent {
  readonly kind: "git";
  /** The subcommand: `stash`, `checkout`, `reset`, ... */
  readonly operation: string;
  readonly touches: GitTouches;
  /** The folder git runs in, absolute. */
  readonly path: string;
  /** Absolute paths or globs that limit it; empty for all. */
  readonly pathspecs: readonly string[];
  readonly certainty: Certainty;
  /** The command in short, for a person. */
  readonly detail: string;
}

/** One thing that a tool call is about to do. */
export type ToolIntent = FileIntent | GitIntent;
