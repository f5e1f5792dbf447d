import { createHash } from "node:crypto";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  neutralise,
  selectClaims,
  selectFeedAfter,
  selectLiveSessions,
  selectPresent,
  selectRecentMessages,
} from "@canopy/core";
import type { RunnerLog } from "@canopy/runner";
import type { CoordinatedPlace } from "./coordinated-place.ts";

const QUIET_MS = 500;
const MAIL_LINES = 100;
const FEED_LINES = 200;

/** Text of others in a table of Markdown: one line, no cell ends, no markup. */
function cell(text: string): string {
  return neutralise(text).replaceAll(/[\\|*_[\]#]/g, "\\$&");
}

function at(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}

function writeTable(title: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const body =
    rows.length === 0 ? ["", "None."] : ["", line(head), line(head.map(() => "---")), ...rows.map(line)];
  return `# ${title}\n${body.join("\n")}\n`;
}

/** The files for people, by name. */
export function renderMirror(place: Pick<CoordinatedPlace, "read">): Readonly<Record<string, string>> {
  return place.read((sql) => {
    const sessions = selectLiveSessions(sql).map(({ sessionId, agent, state, presence }) => [
      `@${presence.handle}`,
      agent,
      state,
      cell(presence.branch ?? ""),
      cell(presence.worktree),
      cell(presence.status),
      sessionId,
    ]);
    const claims = selectClaims(sql).map((claim) => [
      cell(claim.target.label),
      claim.mode,
      `@${selectPresent(sql, claim.sessionId)?.presence.handle ?? claim.sessionId}`,
      cell(claim.reason),
      at(claim.grantedAtMs),
      at(claim.expiresAtMs),
    ]);
    const mail = selectRecentMessages(sql, MAIL_LINES).map((message) => [
      at(message.atMs),
      message.kind,
      cell(message.fromName),
      cell(message.to),
      cell(message.body),
      message.messageId,
    ]);
    const feed = selectFeedAfter(sql, 0, FEED_LINES)
      .toReversed()
      .map((item) => [at(item.atMs), item.kind, cell(item.text)]);
    return {
      "sessions.md": writeTable(
        "Sessions",
        ["session", "agent", "state", "branch", "work tree", "doing", "id"],
        sessions,
      ),
      "claims.md": writeTable("Claims", ["what", "mode", "holder", "reason", "since", "until"], claims),
      "mail.md": writeTable("Mail, newest first", ["time", "kind", "from", "to", "text", "id"], mail),
      "timeline.md": writeTable("What happened, newest first", ["time", "kind", "what"], feed),
    };
  });
}

/** Keeps Markdown files of who is here, what is held and what was said, for people; written when something changed. */
export class MarkdownMirror implements Disposable {
  readonly #root: string;
  readonly #log: RunnerLog;
  readonly #watched = new Map<string, { readonly stop: () => void; timer: NodeJS.Timeout | null }>();
  readonly #written = new Map<string, string>();

  constructor(root: string, log: RunnerLog) {
    this.#root = root;
    this.#log = log;
  }

  /** Writes a project's files now, and whenever something about its sessions changes. */
  watch(place: CoordinatedPlace): void {
    const { projectId } = place.project.project;
    if (this.#watched.has(projectId)) return;
    const write = (): void => this.#write(projectId, place);
    const stop = place.project.room.subscribe({
      events: (events) => {
        const watched = this.#watched.get(projectId);
        if (watched === undefined || watched.timer !== null) return;
        if (!events.some(({ type }) => /^(session|claim|message|files|edit|wait|coordination)\./.test(type)))
          return;
        watched.timer = setTimeout(() => {
          watched.timer = null;
          write();
        }, QUIET_MS);
        watched.timer.unref();
      },
    });
    this.#watched.set(projectId, { stop, timer: null });
    write();
  }

  /** Stops watching a project and removes its files. */
  forget(projectId: string): void {
    this.#stop(projectId);
    rmSync(join(this.#root, projectId), { recursive: true, force: true });
  }

  [Symbol.dispose](): void {
    for (const projectId of this.#watched.keys()) this.#stop(projectId);
  }

  #stop(projectId: string): void {
    const watched = this.#watched.get(projectId);
    watched?.stop();
    if (watched?.timer != null) clearTimeout(watched.timer);
    this.#watched.delete(projectId);
  }

  #write(projectId: string, place: CoordinatedPlace): void {
    try {
      const folder = join(this.#root, projectId);
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      for (const [name, text] of Object.entries(renderMirror(place))) {
        const path = join(folder, name);
        const hash = createHash("sha256").update(text).digest("hex");
        if (this.#written.get(path) === hash) continue;
        const temporary = `${path}.${process.pid}.tmp`;
        writeFileSync(temporary, text, { mode: 0o600 });
        renameSync(temporary, path);
        this.#written.set(path, hash);
      }
    } catch (error) {
      // A mirror is a convenience: the rooms go on without it.
      this.#log.error({ error: String(error) }, "the Markdown files of a project could not be written");
    }
  }
}
