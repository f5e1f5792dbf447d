import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type {
  Actor,
  CoordinationRequest,
  CoordinationRequestInput,
  Json,
  LeafCondition,
  SessionId,
} from "@canopy/protocol";
import { CanopyError, coordinationActionSchema } from "@canopy/protocol";
import type { PresentSession } from "@canopy/core";
import { selectPendingWaits, selectPresent, selectSession } from "@canopy/core";
import type { RunnerLog } from "@canopy/runner";
import type { ProjectHub } from "../projects/project-hub.ts";
import type { ActAsked } from "./coordination-acts.ts";
import { carryOut, carryOutManaged } from "./coordination-acts.ts";
import type { CoordinatedPlace } from "./coordinated-place.ts";
import { PlaceFinder } from "./place-finder.ts";
import { findActing } from "./find-acting.ts";
import type { HookAnswer, HookRequest } from "./hook-service.ts";
import { HookService } from "./hook-service.ts";
import { MarkdownMirror } from "./markdown-mirror.ts";
import { PROBE_EVERY_MS, probeSessions } from "./probe-sessions.ts";

const execute = promisify(execFile);
const BRANCHES_EVERY_MS = 3000;

/** What coordination needs of its daemon. */
export interface CoordinationOptions {
  readonly hub: ProjectHub;
  readonly log: RunnerLog;
  /** Where the Markdown files for people go, one folder a project. */
  readonly mirrorDir: string;
}

/** Everything that this daemon does so that agents in one repository see each other. */
export class Coordination implements AsyncDisposable {
  readonly #places: PlaceFinder;
  readonly #hooks: HookService;
  readonly #log: RunnerLog;
  readonly #hub: ProjectHub;
  readonly #mirrorDir: string;
  readonly #mirror: MarkdownMirror;
  /** One place for each project that somebody came from: what is looked at regularly. */
  readonly #known = new Map<string, CoordinatedPlace>();
  readonly #seenMs = new Map<string, number>();
  readonly #timers: NodeJS.Timeout[] = [];
  #probing: Promise<void> = Promise.resolve();

  constructor(options: CoordinationOptions) {
    this.#log = options.log;
    this.#hub = options.hub;
    this.#mirrorDir = options.mirrorDir;
    this.#places = new PlaceFinder(options.hub);
    this.#mirror = new MarkdownMirror(options.mirrorDir, options.log);
    this.#hooks = new HookService(this.#places, options.log, (place, sessionId) => {
      this.#seenMs.set(sessionId, Date.now());
      this.#keep(place);
    });
    this.#every(PROBE_EVERY_MS, async (place) => {
      await probeSessions(place, (sessionId) => this.#seenMs.get(sessionId) ?? null, Date.now());
    });
    this.#every(BRANCHES_EVERY_MS, reportMergedBranches);
  }

  /** Answers a hook of an agent or of git. Never throws. */
  async handleHook(request: HookRequest): Promise<HookAnswer> {
    return await this.#hooks.handle(request);
  }

  /** Carries out one act of an agent or a person. */
  async act(request: CoordinationRequest, asked: Omit<ActAsked, "archiveFolder">): Promise<Json> {
    const place = await this.#places.find(request.cwd, asked.actor);
    if (request.action.type === "forget") return await this.#forget(place, request, asked.actor);
    this.#keep(place);
    return await carryOut(this.#places, request, { ...asked, archiveFolder: this.#archiveFolder(place) });
  }

  /** Carries out one act of a session that Canopy runs; it takes part from its first one on. */
  async actFor(
    grant: { readonly projectId: string; readonly sessionId: SessionId },
    action: CoordinationRequestInput["action"],
    key: string,
  ): Promise<Json> {
    const { projectId, sessionId } = grant;
    const place = await this.#places.findWorkspace(projectId, sessionId);
    const parsed = coordinationActionSchema.parse(action);
    const session = place.read((sql) => selectPresent(sql, sessionId)) ?? joinManaged(place, sessionId);
    const actor = { kind: "agent", id: sessionId } as const;
    return await carryOutManaged(place, session, parsed, {
      actor,
      key,
      signal: new AbortController().signal,
      archiveFolder: this.#archiveFolder(place),
    });
  }

  /** Looks at all processes now. */
  async probe(): Promise<void> {
    for (const place of this.#known.values())
      await probeSessions(place, (sessionId) => this.#seenMs.get(sessionId) ?? null, Date.now());
  }

  async #forget(place: CoordinatedPlace, request: CoordinationRequest, actor: Actor): Promise<Json> {
    if ((await findActing(place, request.as, actor)) !== null)
      throw new CanopyError("usage.invalid", "only a person forgets a project", {
        hint: "run it outside of an agent",
      });
    const { projectId } = place.project.project;
    this.#known.delete(projectId);
    this.#places.forget(place.worktree.commonDir);
    this.#mirror.forget(projectId);
    await this.#hub.forget(projectId, actor);
    return { projectId };
  }

  #archiveFolder(place: CoordinatedPlace): string {
    const time = new Date().toISOString().replaceAll(/[:.]/g, "-");
    return join(this.#mirrorDir, place.project.project.projectId, "archive", time);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#probing;
    this.#mirror[Symbol.dispose]();
  }

  #keep(place: CoordinatedPlace): void {
    const { projectId } = place.project.project;
    if (this.#known.has(projectId)) return;
    this.#known.set(projectId, place);
    this.#mirror.watch(place);
  }

  async #lookAfter(before: Promise<void>, look: (place: CoordinatedPlace) => Promise<void>): Promise<void> {
    await before;
    for (const place of this.#known.values()) {
      await look(place).catch((error: unknown) => {
        const text = error instanceof Error ? error.message : String(error);
        this.#log.error({ error: text }, "looking after the sessions of a project failed");
      });
    }
  }

  #every(ms: number, look: (place: CoordinatedPlace) => Promise<void>): void {
    const timer = setInterval(() => {
      // One round at a time, however slow it is.
      this.#probing = this.#lookAfter(this.#probing, look);
    }, ms);
    timer.unref();
    this.#timers.push(timer);
  }
}

function joinManaged(place: CoordinatedPlace, sessionId: SessionId): PresentSession {
  const known = place.read((sql) => selectSession(sql, sessionId));
  if (known === undefined) throw new CanopyError("thing.not-found", `no session ${sessionId}`);
  place.submit({
    type: "presence.join",
    sessionId,
    agent: known.agent,
    nativeSessionId: sessionId,
    origin: "managed",
    source: "startup",
    worktree: place.workspace ?? place.worktree.root,
    branch: null,
  });
  const session = place.read((sql) => selectPresent(sql, sessionId));
  if (session === undefined) throw new CanopyError("internal", `${sessionId} did not join`);
  return session;
}

function listBranchWaits(place: CoordinatedPlace): Extract<LeafCondition, { type: "branch-merged" }>[] {
  return place.read((sql) =>
    selectPendingWaits(sql)
      .flatMap(({ condition }): readonly LeafCondition[] =>
        condition.type === "any" || condition.type === "all" ? condition.of : [condition],
      )
      .filter((leaf) => leaf.type === "branch-merged"),
  );
}

/** Asks git about the branches that somebody waits for. */
async function reportMergedBranches(place: CoordinatedPlace): Promise<void> {
  for (const { branch, into } of listBranchWaits(place)) {
    const merged = await execute("git", ["merge-base", "--is-ancestor", branch, into], {
      cwd: place.worktree.root,
      timeout: 5000,
    }).then(
      () => true,
      () => false,
    );
    if (merged) place.submit({ type: "branch.report-merged", branch, into });
  }
}
