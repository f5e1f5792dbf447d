import { randomUUID } from "node:crypto";
import type { Actor, CoordinationConfig, Json, ProjectCommandInput } from "@canopy/protocol";
import { CanopyError, REJECTION_ERROR_CODES } from "@canopy/protocol";
import type { Sql } from "@canopy/core";
import type { OpenProject } from "../projects/open-project.ts";
import type { Worktree } from "./find-worktree.ts";
import { readBranch } from "./find-worktree.ts";

/** The program itself, on behalf of an agent whose hook or tool call it answers. */
export const HOOK_ACTOR: Actor = { kind: "system", id: "hooks" };

/** A folder inside a project: its room, its work tree, its rules. */
export class CoordinatedPlace {
  readonly project: OpenProject;
  readonly worktree: Worktree;
  readonly config: CoordinationConfig;
  /** The workspace of a session that Canopy runs: a work tree of its own, whose files have the names of this one's. */
  readonly workspace: string | null;

  constructor(
    project: OpenProject,
    worktree: Worktree,
    config: CoordinationConfig,
    workspace: string | null = null,
  ) {
    this.project = project;
    this.worktree = worktree;
    this.config = config;
    this.workspace = workspace;
  }

  /** What a work tree is called where claims exclude: a session in a workspace is in nobody else's way. */
  groundOf(worktree: string): string {
    return this.workspace !== null && worktree === this.worktree.root ? this.workspace : worktree;
  }

  get branch(): string | null {
    return readBranch(this.worktree);
  }

  read<T>(query: (sql: Sql) => T): T {
    return this.project.room.read(query);
  }

  /** Gives a command to the project's room. Throws what the room refuses, with its code. */
  submit(command: ProjectCommandInput, actor: Actor = HOOK_ACTOR, key: string = randomUUID()): Json {
    const answer = this.project.room.submit({ key, actor, command });
    if (answer.type === "accepted") return answer.result;
    const { code, message, hint, data } = answer;
    throw new CanopyError(REJECTION_ERROR_CODES[code], message, {
      ...(hint === undefined ? {} : { hint }),
      data: { rejection: code, ...(data === undefined ? {} : { detail: data }) },
    });
  }
}
