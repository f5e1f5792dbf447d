import type { ProjectEvent, Rejection, Target } from "@canopy/protocol";
import { reject } from "@canopy/protocol";
import { selectOverlapping } from "../claims/claim-rows.ts";
import { sameGround } from "../claims/find-blockers.ts";
import type { DecideContext } from "../kernel/room-definition.ts";
import { resolveSession } from "../presence/decide-presence.ts";
import type { PresentSession } from "../presence/presence-rows.ts";
import { selectLiveSessions } from "../presence/presence-rows.ts";

type Context = DecideContext<ProjectEvent>;

/** What a message is addressed with. */
export interface Address {
  readonly from: string | null;
  readonly to: string;
  /** Whose holders `holder` means. */
  readonly targets: readonly Target[];
  readonly worktree: string | null;
}

type Found = { readonly type: "sessions"; readonly sessions: readonly PresentSession[] } | Rejection;

function resolveGroup(context: Context, address: Address, part: string): Found | null {
  const live = selectLiveSessions(context.sql);
  const [kind, ...rest] = part.split(":");
  const value = rest.join(":");
  if (part === "all" || part === "*") return { type: "sessions", sessions: live };
  if (kind === "agent" && value !== "")
    return { type: "sessions", sessions: live.filter((session) => session.agent === value) };
  if (kind === "role" && value !== "")
    return { type: "sessions", sessions: live.filter((session) => session.presence.role === value) };
  if (kind === "branch" && value !== "")
    return { type: "sessions", sessions: live.filter((session) => session.presence.branch === value) };
  if (kind !== "holder") return null;
  const holders = new Set(
    address.targets.flatMap((target) =>
      selectOverlapping(context.sql, target)
        .filter((claim) => target.kind === "resource" || sameGround(claim.worktree, address.worktree))
        .map((claim): string => claim.sessionId),
    ),
  );
  return { type: "sessions", sessions: live.filter((session) => holders.has(session.sessionId)) };
}

/**
 * Sessions that a message goes to, without its sender: `all`, `agent:KIND`, `role:NAME`, `branch:NAME`, `holder:PATH`, handles and
 * ids, several with commas. Groups mean who is here now: those who come later do not get it.
 */
export function resolveRecipients(context: Context, address: Address): Found {
  const byId = new Map<string, PresentSession>();
  const parts = address.to
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  for (const part of parts) {
    const found = resolveGroup(context, address, part);
    if (found === null) {
      const one = resolveSession(context, part);
      if (one.type === "rejection") return one;
      if (one.session.state === "ended") {
        const { handle } = one.session.presence;
        return reject("session.ended", `@${handle} has ended`, "canopy sessions lists who is here");
      }
      byId.set(one.session.sessionId, one.session);
    } else if (found.type === "rejection") return found;
    else for (const session of found.sessions) byId.set(session.sessionId, session);
  }
  if (address.from !== null) byId.delete(address.from);
  if (byId.size === 0) {
    return reject(
      "message.no-recipient",
      `nobody is there for ${address.to}`,
      "canopy sessions lists who is here",
    );
  }
  return { type: "sessions", sessions: [...byId.values()] };
}
