import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { MergeRisk, Target } from "@canopy/protocol";
import { findRisks, neutralise, selectPresent } from "@canopy/core";
import type { CoordinatedPlace } from "./coordinated-place.ts";

const execute = promisify(execFile);
const GIT_TIMEOUT_MS = 5000;
const MAX_FILES = 20;
const MAX_REMEMBERED = 5000;

async function git(
  cwd: string,
  args: readonly string[],
): Promise<{ readonly code: number; readonly stdout: Buffer }> {
  try {
    const options = {
      cwd,
      timeout: GIT_TIMEOUT_MS,
      maxBuffer: 64 * 1024 * 1024,
      encoding: "buffer" as const,
    };
    const { stdout } = await execute("git", [...args], options);
    return { code: 0, stdout };
  } catch (error) {
    const code =
      error instanceof Error && "code" in error && typeof error.code === "number" ? error.code : -1;
    return { code, stdout: Buffer.alloc(0) };
  }
}

/** The file as it was where two work trees parted; empty when it was not there. Null when they never were one. */
async function readBase(left: string, right: string, key: string): Promise<Buffer | null> {
  const other = await git(right, ["rev-parse", "HEAD"]);
  const base = await git(left, ["merge-base", "HEAD", other.stdout.toString().trim()]);
  if (other.code !== 0 || base.code !== 0) return null;
  const shown = await git(left, ["cat-file", "blob", `${base.stdout.toString().trim()}:${key}`]);
  return shown.code === 0 ? shown.stdout : Buffer.alloc(0);
}

/** Whether a file, as it lies in two work trees now, would merge; null when that cannot be said (it is gone, it is binary). */
export async function wouldConflict(left: string, right: string, key: string): Promise<boolean | null> {
  const base = await readBase(left, right, key);
  if (base === null) return null;
  const folder = await mkdtemp(join(tmpdir(), "canopy-outlook-"));
  try {
    const basePath = join(folder, "base");
    await writeFile(basePath, base);
    // Its exit code is the number of conflicts, cut off at 127; from 128 on it could not merge.
    const { code } = await git(left, ["merge-file", "-p", "-q", join(left, key), basePath, join(right, key)]);
    return code < 0 || code > 127 ? null : code > 0;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * What the radar is for sessions that Canopy runs, for those that it does not: after an edit of a file that another session
 * works on in another work tree, both files are merged as they lie there, without writing the result. Told when it changes.
 */
export class MergeOutlook {
  readonly #known = new Map<string, boolean>();

  /** What is new about the files that a session has just changed: one line each, for its agent. */
  async look(place: CoordinatedPlace, sessionId: string, keys: readonly string[]): Promise<string[]> {
    const worktree = place.worktree.root;
    const targets = keys.slice(0, MAX_FILES).map((key): Target => ({ kind: "path", key, label: key }));
    const risks = place.read((sql) => findRisks(sql, { sessionId, targets, mode: "exclusive", worktree }));
    const lines: string[] = [];
    for (const risk of risks) {
      if (risk.target.kind !== "path" || !risk.worktree.startsWith("/")) continue;
      const line = await this.#compare(place, sessionId, risk);
      if (line !== null) lines.push(line);
    }
    return lines;
  }

  async #compare(place: CoordinatedPlace, sessionId: string, risk: MergeRisk): Promise<string | null> {
    const { key } = risk.target;
    const isConflict = await wouldConflict(place.worktree.root, risk.worktree, key);
    if (isConflict === null) return null;
    const pair = `${sessionId}\n${risk.sessionId}\n${key}`;
    const before = this.#known.get(pair) ?? false;
    this.#known.delete(pair);
    this.#known.set(pair, isConflict);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_REMEMBERED && oldest !== undefined) this.#known.delete(oldest);
    if (isConflict === before) return null;
    const other = place.read((sql) => selectPresent(sql, risk.sessionId)?.presence.handle ?? risk.handle);
    return isConflict
      ? `${neutralise(key)} as you have it would conflict with what @${other} has in its work tree.`
      : `${neutralise(key)} would merge now with what @${other} has in its work tree.`;
  }
}
