import { statSync } from "node:fs";
import { join } from "node:path";
import type { Actor, CoordinationConfig } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol";
import { CONFIG_PATH, loadConfig } from "../config/load-config.ts";
import type { OpenProject } from "../projects/open-project.ts";
import type { ProjectHub } from "../projects/project-hub.ts";
import { CoordinatedPlace } from "./coordinated-place.ts";
import type { Worktree } from "./find-worktree.ts";
import { findWorktree } from "./find-worktree.ts";

interface CachedConfig {
  readonly mtimeMs: number;
  readonly config: CoordinationConfig;
}

/** Finds the project and work tree of a folder. What it found is kept; what changes quickly is looked at every time. */
export class PlaceFinder {
  readonly #hub: ProjectHub;
  readonly #configs = new Map<string, CachedConfig>();
  readonly #projects = new Map<string, Promise<OpenProject>>();

  constructor(hub: ProjectHub) {
    this.#hub = hub;
  }

  /** The place of a folder. Throws `repository.*`, `config.invalid`. */
  async find(cwd: string, actor: Actor): Promise<CoordinatedPlace> {
    const worktree = findWorktree(cwd);
    if (worktree === null) {
      throw new CanopyError("repository.not-found", `${cwd} is not inside a git repository`, {
        hint: "go to a folder of a git repository, or make one with git init and a first commit",
      });
    }
    return new CoordinatedPlace(
      await this.#open(worktree, actor),
      worktree,
      await this.#readConfig(worktree.root),
    );
  }

  /** The place of a session that Canopy runs in a workspace. Throws `thing.not-found`, `config.invalid`. */
  async findWorkspace(projectId: string, sessionId: string): Promise<CoordinatedPlace> {
    const project = await this.#hub.openById(projectId);
    const worktree = findWorktree(project.project.path);
    if (worktree === null)
      throw new CanopyError("repository.not-found", `${project.project.path} is no repository any more`);
    const config = await this.#readConfig(worktree.root);
    return new CoordinatedPlace(project, worktree, config, `workspace:${sessionId}`);
  }

  /** Forgets a project that was closed. */
  forget(commonDir: string): void {
    this.#projects.delete(commonDir);
  }

  async #open(worktree: Worktree, actor: Actor): Promise<OpenProject> {
    const known = this.#projects.get(worktree.commonDir);
    if (known !== undefined) return await known;
    const opening = this.#hub.openByPath(worktree.root, actor);
    this.#projects.set(worktree.commonDir, opening);
    opening.catch(() => this.#projects.delete(worktree.commonDir));
    return await opening;
  }

  async #readConfig(root: string): Promise<CoordinationConfig> {
    const mtimeMs = mtimeOf(join(root, CONFIG_PATH));
    const known = this.#configs.get(root);
    if (known?.mtimeMs === mtimeMs) return known.config;
    const { coordination: config } = await loadConfig(root);
    this.#configs.set(root, { mtimeMs, config });
    return config;
  }
}

function mtimeOf(path: string): number {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}
