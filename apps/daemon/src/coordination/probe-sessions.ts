import type { ProcessAnchor, SessionId } from "@canopy/protocol";
import { selectLiveSessions } from "@canopy/core";
import { HOOK_ACTOR } from "./coordinated-place.ts";
import type { CoordinatedPlace } from "./coordinated-place.ts";
import { anchorProcess } from "./find-agent-process.ts";

/** How often processes are looked at, in ms. */
export const PROBE_EVERY_MS = 5000;

async function isGone(process: ProcessAnchor): Promise<boolean> {
  const now = await anchorProcess(process.pid);
  return now === null || now.startedAt !== process.startedAt || now.bootId !== process.bootId;
}

interface Dead {
  readonly sessionId: SessionId;
  readonly process: ProcessAnchor | null;
  readonly reason: string;
}

/**
 * Looks at the processes of all sessions of a project once: those that are gone end their sessions. A session without a
 * known process is lost after a time without a sign of life. Sessions that Canopy runs are their runner's to watch.
 */
export async function probeSessions(
  place: Pick<CoordinatedPlace, "read" | "submit" | "config">,
  lastSeenMs: (sessionId: string) => number | null,
  nowMs: number,
): Promise<void> {
  const dead: Dead[] = [];
  for (const session of place.read((sql) => selectLiveSessions(sql))) {
    const { process, origin } = session.presence;
    const { sessionId } = session;
    if (origin === "managed") continue;
    if (process !== null) {
      if (await isGone(process)) dead.push({ sessionId, process, reason: "its process is gone" });
      continue;
    }
    const seenMs = lastSeenMs(session.sessionId) ?? session.openedAtMs;
    if (nowMs - seenMs > place.config.silent_after)
      dead.push({ sessionId, process: null, reason: "no sign of life" });
  }
  if (dead.length > 0) place.submit({ type: "presence.report-dead", sessions: dead }, HOOK_ACTOR);
}
