import type { AttemptId, ConflictFile, ProjectConfig } from "@canopy/protocol";
import type { MergeEngine, Repository } from "@canopy/git";
import { CHECKPOINT_REF_PREFIX, readRef, updateRefs, writeCommit } from "@canopy/git";
import type { Workspace } from "@canopy/workspace";
import type { JobSource } from "../job-source.ts";
import type { RunnerLog } from "../runner-log.ts";
import { captureWorkspace } from "./capture-workspace.ts";
import { RADAR_FILE } from "./own-files.ts";

const EDIT_PAUSE_MS = 1500;

/** What the radar needs. */
export interface RadarContext {
  readonly source: JobSource;
  readonly repository: Repository;
  readonly engine: MergeEngine;
  readonly log: RunnerLog;
  readonly now: () => number;
}

/** A session to watch. */
export interface WatchedSession {
  readonly attemptId: AttemptId;
  readonly title: string;
  readonly workspace: Workspace;
  readonly integrationRef: string;
  readonly config: ProjectConfig;
}

/** A session that is being watched. */
export interface RadarWatch extends AsyncDisposable {
  /** The session changed a file: looks soon, instead of at the next turn. */
  noteEdit(): void;
}

interface Overlap {
  readonly other: AttemptId | null;
  readonly files: readonly ConflictFile[];
}

interface Blip {
  readonly session: WatchedSession;
  tree: string | null;
  commit: string | null;
  target: string | null;
  overlaps: readonly Overlap[];
}

/**
 * Looks at what running agents have done so far: at each checkpoint of one session its files are merged, without writing the
 * result anywhere, with the branch and with every other running session. Where they would conflict is told to the room,
 * and to the agent by a file, long before either is done. Only the pairs of the session that changed are looked at.
 */
export class ConflictRadar {
  readonly #context: RadarContext;
  readonly #blips = new Map<string, Blip>();
  #reportCount = 0;

  constructor(context: RadarContext) {
    this.#context = context;
  }

  /** Watches a session until the watch is disposed. */
  watch(session: WatchedSession): RadarWatch {
    const blip: Blip = { session, tree: null, commit: null, target: null, overlaps: [] };
    const intervalMs = session.config.queue.radar_interval;
    let looking: Promise<void> | null = null;
    let soon: NodeJS.Timeout | null = null;
    let isOver = intervalMs === 0;
    const look = (): void => {
      if (isOver || looking !== null) return;
      looking = this.#look(blip)
        .catch((error: unknown) => {
          // A file may vanish while it is read: the next look sees the rest.
          this.#context.log.warn(
            { attemptId: session.attemptId, error },
            "a running session could not be looked at",
          );
        })
        .finally(() => {
          looking = null;
        });
    };
    if (!isOver) this.#blips.set(session.attemptId, blip);
    const timer = isOver ? null : setInterval(look, intervalMs);
    return {
      noteEdit: () => {
        if (isOver) return;
        soon ??= setTimeout(() => {
          soon = null;
          look();
        }, EDIT_PAUSE_MS);
      },
      [Symbol.asyncDispose]: async () => {
        isOver = true;
        if (timer !== null) clearInterval(timer);
        if (soon !== null) clearTimeout(soon);
        await looking;
        await this.#forget(blip);
      },
    };
  }

  async #look(blip: Blip): Promise<void> {
    const { repository } = this.#context;
    const { workspace, attemptId, integrationRef } = blip.session;
    const capture = await workspace.whilePaused(() => captureWorkspace(repository, workspace));
    const target = await readRef(repository, integrationRef);
    if (capture.tree === blip.tree && target === blip.target) return;
    blip.target = target;
    if (capture.tree !== blip.tree) {
      blip.tree = capture.tree;
      blip.commit = capture.changed.length === 0 ? null : await this.#keep(blip, capture.tree);
    }
    const overlaps: Overlap[] = [];
    if (blip.commit !== null) {
      if (target !== null && target !== workspace.commit)
        overlaps.push({ other: null, files: await this.#probe(target, blip.commit) });
      for (const other of this.#blips.values()) {
        if (other === blip || other.commit === null || other.session.integrationRef !== integrationRef)
          continue;
        overlaps.push({
          other: other.session.attemptId,
          files: await this.#probe(other.commit, blip.commit),
        });
      }
    }
    await this.#report(blip, overlaps);
    // The other half of each pair: nobody else need look again.
    for (const { other, files } of overlaps) {
      const sibling = other === null ? undefined : this.#blips.get(other);
      if (sibling === undefined) continue;
      const rest = sibling.overlaps.filter((overlap) => overlap.other !== attemptId);
      await this.#report(sibling, [...rest, { other: attemptId, files }]);
    }
  }

  async #keep({ session }: Blip, tree: string): Promise<string> {
    const { repository, now } = this.#context;
    const canopy = { name: "Canopy", email: "canopy@localhost", atMs: now() };
    const commit = await writeCommit(repository, {
      tree,
      parents: [session.workspace.commit],
      author: canopy,
      committer: canopy,
      message: `Checkpoint of: ${session.title}`,
    });
    await updateRefs(repository, [
      { ref: `${CHECKPOINT_REF_PREFIX}${session.attemptId}`, newCommit: commit },
    ]);
    return commit;
  }

  async #probe(left: string, right: string): Promise<ConflictFile[]> {
    const found = await this.#context.engine.probeOverlap({ left, right });
    return found.state === "clean" ? [] : found.files.map(({ path, kind }) => ({ path, kind }));
  }

  async #report(blip: Blip, seen: readonly Overlap[]): Promise<void> {
    const overlaps = seen.filter(({ files }) => files.length > 0);
    if (JSON.stringify(overlaps) === JSON.stringify(blip.overlaps)) return;
    blip.overlaps = overlaps;
    this.#reportCount += 1;
    // The agent first: when people hear of it, it can know.
    await this.#tellAgent(blip);
    const { attemptId } = blip.session;
    await this.#context.source.submit(
      {
        type: "radar.report",
        attemptId,
        overlaps: overlaps.map(({ other, files }) => ({ other, files: files.slice(0, 1000) })),
      },
      `radar:${attemptId}:${this.#context.now()}:${this.#reportCount}`,
    );
  }

  /** The agent finds the same in a file; others' titles are data, so they are shortened to one line. */
  async #tellAgent({ session, overlaps }: Blip): Promise<void> {
    const lines = overlaps.map(({ other, files }) => {
      const title = other === null ? undefined : this.#blips.get(other)?.session.title;
      const who =
        other === null ? "what has landed on the branch" : `the running task "${oneLine(title ?? other)}"`;
      return `- ${who}: ${files.map((file) => `${oneLine(file.path)} (${file.kind})`).join(", ")}`;
    });
    const text = `# Others change the same places\nAs of now your work would conflict with:\n${lines.join("\n")}\n`;
    await session.workspace
      .writeFile(RADAR_FILE, overlaps.length === 0 ? null : text)
      .catch((error: unknown) =>
        this.#context.log.warn({ attemptId: session.attemptId, error }, "the agent could not be told"),
      );
  }

  async #forget(blip: Blip): Promise<void> {
    const { attemptId } = blip.session;
    this.#blips.delete(attemptId);
    await updateRefs(this.#context.repository, [
      { ref: `${CHECKPOINT_REF_PREFIX}${attemptId}`, newCommit: null },
    ]);
    for (const other of this.#blips.values())
      await this.#report(
        other,
        other.overlaps.filter((overlap) => overlap.other !== attemptId),
      );
  }
}

function oneLine(text: string): string {
  return text.replaceAll(/[\s"`]+/g, " ").slice(0, 100);
}
