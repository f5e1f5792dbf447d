import { statSync } from "node:fs";

const MAX_FILES_PER_SESSION = 2000;
const MAX_SESSIONS = 200;

/** What a session knew of a file when it last read or wrote it. */
interface Known {
  readonly mark: string;
  readonly seq: number;
}

function markOf(path: string): string | null {
  try {
    const { size, mtimeNs, ino } = statSync(path, { bigint: true });
    return `${size}:${mtimeNs}:${ino}`;
  } catch {
    return null;
  }
}

/**
 * Which files a session has read, and in which state they were: for "changed since you read it". Kept in memory only,
 * for the files it read last; after a restart of the daemon nothing is known, and so nothing is refused.
 */
export class ReadLedger {
  readonly #sessions = new Map<string, Map<string, Known>>();

  /** A session has read or written a file; `seq` is where the room's journal stood. */
  note(sessionId: string, path: string, seq: number): void {
    const mark = markOf(path);
    const files = this.#sessions.get(sessionId) ?? new Map<string, Known>();
    this.#sessions.delete(sessionId);
    this.#sessions.set(sessionId, files);
    files.delete(path);
    if (mark !== null) files.set(path, { mark, seq });
    dropOldest(files, MAX_FILES_PER_SESSION);
    dropOldest(this.#sessions, MAX_SESSIONS);
  }

  /** Where the journal stood when a session knew a file that is another one now; null when it is as it was or unknown. */
  changedSince(sessionId: string, path: string): number | null {
    const known = this.#sessions.get(sessionId)?.get(path);
    if (known === undefined || known.mark === markOf(path)) return null;
    return known.seq;
  }

  /** A session's context began anew: it may not remember what it read. */
  forget(sessionId: string): void {
    this.#sessions.delete(sessionId);
  }
}

function dropOldest(map: Map<string, unknown>, limit: number): void {
  for (const key of map.keys()) {
    if (map.size <= limit) return;
    map.delete(key);
  }
}
