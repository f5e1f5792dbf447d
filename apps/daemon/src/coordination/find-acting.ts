import type { ActingAs, Actor } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol";
import type { PresentSession } from "@canopy/core";
import { selectByNativeId, selectByReference, selectLiveSessions, selectPresent } from "@canopy/core";
import type { CoordinatedPlace } from "./coordinated-place.ts";
import { anchorProcess, findAgentProcess, listAncestors } from "./find-agent-process.ts";

async function findByProcess(place: CoordinatedPlace, pid: number): Promise<PresentSession | null> {
  const live = place
    .read((sql) => selectLiveSessions(sql))
    .filter(({ presence }) => presence.process !== null);
  if (live.length === 0) return null;
  for (const ancestor of await listAncestors(pid)) {
    const session = live.find(({ presence }) => presence.process?.pid === ancestor);
    if (session === undefined) continue;
    const anchor = await anchorProcess(ancestor);
    const { process } = session.presence;
    if (anchor?.startedAt === process?.startedAt && anchor?.bootId === process?.bootId) return session;
  }
  return null;
}

/** An agent that says which session of its own it is: joins, when it is new or had ended. */
async function joinNative(
  place: CoordinatedPlace,
  as: { readonly agent: string; readonly nativeSessionId: string },
  pid: number | undefined,
): Promise<PresentSession> {
  const known = place.read((sql) => selectByNativeId(sql, as.agent, as.nativeSessionId));
  if (known !== undefined && known.state !== "ended") return known;
  const joined = place.submit({
    type: "presence.join",
    agent: as.agent,
    nativeSessionId: as.nativeSessionId,
    source: known === undefined ? "startup" : "again",
    process: pid === undefined ? null : await findAgentProcess(pid),
    worktree: place.worktree.root,
    branch: place.branch,
  });
  const { sessionId } = joined as { readonly sessionId: string };
  const session = place.read((sql) => selectPresent(sql, sessionId));
  if (session === undefined) throw new CanopyError("internal", `${sessionId} is gone`);
  return session;
}

/** The session that acts, or null for a person. Throws `thing.not-found` and `thing.ambiguous`. */
export async function findActing(
  place: CoordinatedPlace,
  as: ActingAs,
  actor: Actor,
): Promise<PresentSession | null> {
  const name = as.session ?? (actor.kind === "agent" ? actor.id : undefined);
  if (name !== undefined) {
    const found = place.read((sql) => selectByReference(sql, name));
    const [session] = found;
    if (session === undefined)
      throw new CanopyError("thing.not-found", `no session ${name} takes part here`, {
        hint: "canopy sessions lists them",
      });
    if (found.length > 1)
      throw new CanopyError("thing.ambiguous", `${name} could be several sessions`, {
        hint: "say the whole id",
      });
    return session;
  }
  if (as.agent !== undefined && as.nativeSessionId !== undefined)
    return await joinNative(place, { agent: as.agent, nativeSessionId: as.nativeSessionId }, as.pid);
  return as.pid === undefined ? null : await findByProcess(place, as.pid);
}

/** The session that acts; a person cannot do this. Throws `usage.invalid`. */
export function requireSession(session: PresentSession | null): PresentSession {
  if (session !== null) return session;
  throw new CanopyError("usage.invalid", "only a session does this, and none is known here", {
    hint: "run it inside an agent, name one with --session, or come as one of your own with --as NAME",
  });
}
