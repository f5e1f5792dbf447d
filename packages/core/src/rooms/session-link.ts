import type { EventEnvelope, Session } from "@canopy/protocol";
import { SYSTEM_ACTOR } from "@canopy/protocol";
import type { LinkDefinition } from "../kernel/links.ts";

/** Key under which a session is opened in its feature room for an attempt, whoever comes first. */
export function openSessionKey({ sessionId, attemptId }: Pick<Session, "sessionId" | "attemptId">): string {
  return `open-session:${sessionId}:${attemptId ?? ""}`;
}

/**
 * Sessions of the project's registry are opened and ended in their feature's room. `featureRoomOf` gives the address of
 * a feature's room.
 */
export function createSessionLink(featureRoomOf: (featureId: string) => string): LinkDefinition {
  return {
    name: "sessions-to-features",
    select: (event: EventEnvelope) => {
      if (event.type !== "session.registered" && event.type !== "session.updated") return null;
      const { session } = event.payload as unknown as { readonly session: Session };
      const room = featureRoomOf(session.featureId);
      // A session that goes on with a further attempt is opened again.
      if (event.type === "session.registered" || session.state === "starting") {
        const command = { type: "session.open", session };
        return { room, key: openSessionKey(session), actor: SYSTEM_ACTOR, command };
      }
      if (session.state !== "ended" && session.state !== "lost") return null;
      const command = {
        type: "session.end",
        sessionId: session.sessionId,
        state: session.state,
        reason: session.endReason ?? "",
      };
      return {
        room,
        key: `end-session:${session.sessionId}:${session.attemptId ?? ""}`,
        actor: SYSTEM_ACTOR,
        command,
      };
    },
  };
}
