import { join } from "node:path";
import type { Actor, Project, ProjectConfig } from "@canopy/protocol";
import { CanopyError, projectConfigSchema } from "@canopy/protocol";
import {
  projectRoomAddress,
  selectActiveRuns,
  selectChangesByState,
  selectJobs,
  selectProject,
  selectProjects,
  selectSessions,
} from "@canopy/core";
import { readRepositoryIdentity } from "@canopy/git";
import { openAgentHomes, recoverAttempts } from "@canopy/runner";
import type { BackendName, RefusalRecord, StaleWorkspace, WorkspaceStore } from "@canopy/workspace";
import { openWorkspaceStore } from "@canopy/workspace";
import type { ImageStore } from "../images/image-store.ts";
import { loadConfig } from "../config/load-config.ts";
import type { ProjectContext } from "./open-project.ts";
import { OpenProject } from "./open-project.ts";

/** What a hub needs beside what its projects need. */
export interface HubOptions extends Omit<ProjectContext, "workspacesFor" | "homes"> {
  readonly cacheDir: string;
  /** Folders of the daemon's that no sandbox shows. */
  readonly privateDirectories: readonly string[];
  readonly onRefusal: (refusal: RefusalRecord) => void;
}

/** The projects that this daemon has open, and the workspaces they share. */
export class ProjectHub implements AsyncDisposable {
  readonly #options: HubOptions;
  readonly #context: ProjectContext;
  readonly #projects = new Map<string, OpenProject>();
  readonly #stores = new Map<BackendName | "auto", Promise<WorkspaceStore>>();

  constructor(options: HubOptions) {
    this.#options = options;
    this.#context = {
      ...options,
      homes: openAgentHomes(join(options.cacheDir, "sessions")),
      workspacesFor: (config) => this.#storeFor(config.workspace.backend),
    };
  }

  /** Pictures of tasks and prompts of all projects. */
  get images(): ImageStore {
    return this.#options.images;
  }

  /** The project of a folder; registered and opened when it is new. Throws `repository.*`. */
  async openByPath(path: string, actor: Actor): Promise<OpenProject> {
    const identity = await readRepositoryIdentity(path);
    const known = this.#projects.get(identity.projectId);
    if (known !== undefined) return known;
    const registered = this.#options.host.room("node")?.read((sql) => selectProject(sql, identity.projectId));
    // Where it was first seen stays its place, unless that is gone.
    const reopened =
      registered === undefined ? null : await OpenProject.reopen(registered, this.#context).catch(() => null);
    return this.#keep(reopened ?? OpenProject.register(identity, actor, this.#context));
  }

  /** A project that is known by its id. Throws `thing.not-found`, or `repository.*` when its repository is gone. */
  async openById(projectId: string): Promise<OpenProject> {
    const known = this.#projects.get(projectId);
    if (known !== undefined) return known;
    const project = this.#options.host.room("node")?.read((sql) => selectProject(sql, projectId));
    if (project === undefined) throw new CanopyError("thing.not-found", `no project ${projectId}`);
    return this.#keep(await OpenProject.reopen(project, this.#context));
  }

  /**
   * After a start: captures and removes what a dead daemon left in workspaces, then goes on with every project that has
   * unfinished work.
   */
  async resume(): Promise<void> {
    const store = await this.#storeFor("auto");
    const byProject = Map.groupBy(await store.recover(), (stale) => stale.projectId);
    for (const project of this.#knownProjects()) {
      const stale = byProject.get(project.projectId) ?? [];
      byProject.delete(project.projectId);
      if (stale.length === 0 && !this.#hasUnfinishedWork(project)) continue;
      await this.#resumeProject(project, stale);
    }
    // Workspaces of projects that nobody knows any more hold nothing that could be attributed.
    for (const stale of byProject.values()) await Promise.all(stale.map((workspace) => workspace.dispose()));
  }

  /**
   * Forgets a project: its rooms go, also from disk. What its repository holds (branches, kept work under refs/canopy)
   * stays. Throws `conflict` while a run's agents are at work.
   */
  async forget(projectId: string, actor: Actor): Promise<void> {
    const project = await this.openById(projectId);
    const working = project.room.read((sql) => selectActiveRuns(sql).length);
    if (working > 0) {
      throw new CanopyError("conflict", `${working} run(s) of this project are at work`, {
        hint: "end them first: canopy kill --all",
      });
    }
    this.#projects.delete(projectId);
    await project[Symbol.asyncDispose]();
    await this.#options.host.forget(projectId);
    await this.#options.images.forget(projectId);
    const key = `forget:${projectId}:${Date.now()}`;
    this.#options.host.room("node")?.submit({ key, actor, command: { type: "project.forget", projectId } });
  }

  /** How workspaces are made here, and why not in a better way. */
  async workspaceBackend(): Promise<WorkspaceStore["choice"]> {
    return (await this.#storeFor("auto")).choice;
  }

  /** How many agents are at work, over all projects. */
  countActive(): { readonly runs: number; readonly attempts: number } {
    let runs = 0;
    let attempts = 0;
    for (const { room } of this.#projects.values()) {
      runs += room.read((sql) => selectActiveRuns(sql).length);
      attempts += room.read(
        (sql) => selectJobs(sql, "leased").filter((job) => job.kind === "attempt").length,
      );
    }
    return { runs, attempts };
  }

  /** How many sessions are at work at each level of the sandbox, over all projects. */
  countLevels(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { room } of this.#projects.values()) {
      for (const { state, sandboxLevel } of room.read((sql) => selectSessions(sql))) {
        if (state !== "active" || sandboxLevel === null) continue;
        counts[sandboxLevel] = (counts[sandboxLevel] ?? 0) + 1;
      }
    }
    return counts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#projects.values()].map((project) => project[Symbol.asyncDispose]()));
    this.#projects.clear();
    for (const store of this.#stores.values()) await (await store.catch(() => null))?.[Symbol.asyncDispose]();
  }

  #keep(project: OpenProject): OpenProject {
    const other = this.#projects.get(project.project.projectId);
    if (other !== undefined) return other;
    this.#projects.set(project.project.projectId, project);
    return project;
  }

  #knownProjects(): Project[] {
    return this.#options.host.room("node")?.read((sql) => selectProjects(sql)) ?? [];
  }

  #hasUnfinishedWork(project: Project): boolean {
    const room = this.#options.host.room(projectRoomAddress(project.projectId));
    return (
      room?.read(
        (sql) =>
          selectActiveRuns(sql).length > 0 ||
          selectJobs(sql, "leased").length > 0 ||
          selectJobs(sql, "queued").length > 0 ||
          selectChangesByState(sql, "landing").length > 0,
      ) ?? false
    );
  }

  async #resumeProject(project: Project, stale: readonly StaleWorkspace[]): Promise<void> {
    const { log } = this.#options;
    try {
      const opened = await this.openById(project.projectId);
      const config = await loadConfig(project.path).catch((): ProjectConfig => projectConfigSchema.parse({}));
      const capturedCount = await recoverAttempts(
        {
          source: opened.source,
          repository: opened.repository,
          person: (await opened.repository.readSettings()).person,
          policy: config.commits,
          homes: this.#context.homes,
          log,
          now: () => Date.now(),
        },
        stale,
      );
      log.info({ projectId: project.projectId, staleCount: stale.length, capturedCount }, "project resumed");
      await opened.ensureRunner();
    } catch (error) {
      log.error(
        { projectId: project.projectId, error },
        "a project with unfinished work could not be resumed",
      );
    }
  }

  #storeFor(backend: BackendName | "auto"): Promise<WorkspaceStore> {
    const known = this.#stores.get(backend);
    if (known !== undefined) return known;
    const opened = openWorkspaceStore({
      cacheDirectory: this.#options.cacheDir,
      privateDirectories: this.#options.privateDirectories,
      onRefusal: this.#options.onRefusal,
      ...(backend === "auto" ? {} : { backend }),
    });
    this.#stores.set(backend, opened);
    opened.catch(() => this.#stores.delete(backend));
    return opened;
  }
}
