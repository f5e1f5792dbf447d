import type { ProjectCommand, ProjectEvent } from "@canopy/protocol";
import { reject } from "@canopy/protocol";
import type { RoomFeature } from "../kernel/room-definition.ts";
import { accept } from "../kernel/room-definition.ts";
import {
  decideEndPresence,
  decideJoin,
  decideRename,
  decideReportDead,
  decideStatus,
  decideUpdatePresence,
  endPresence,
} from "./decide-presence.ts";
import {
  PRESENCE_MIGRATIONS,
  PRESENCE_PROJECTIONS,
  PRESENCE_TABLES,
  isFinished,
  selectLiveSessions,
  selectPresent,
} from "./presence-rows.ts";

/** Who is here: agents that Canopy started and agents that came by themselves. */
export const presenceFeature: RoomFeature<ProjectCommand, ProjectEvent> = {
  name: "presence",
  migrations: PRESENCE_MIGRATIONS,
  tables: PRESENCE_TABLES,
  decide: {
    "presence.join": decideJoin,
    "presence.update": decideUpdatePresence,
    "presence.end": decideEndPresence,
    "presence.report-dead": decideReportDead,
    "presence.rename": decideRename,
    "presence.status": decideStatus,
    "coordination.finish": (context, { reason }) => {
      if (context.actor.kind === "agent")
        return reject("session.not-yours", "only a person finishes a project");
      for (const session of selectLiveSessions(context.sql)) {
        if (session.attemptId === null) endPresence(context, session, "the project was finished");
      }
      if (!isFinished(context.sql)) context.emit({ type: "coordination.finished", reason });
      return accept();
    },
    "coordination.reopen": (context) => {
      if (context.actor.kind === "agent")
        return reject("session.not-yours", "only a person reopens a project");
      if (isFinished(context.sql)) context.emit({ type: "coordination.reopened" });
      return accept();
    },
    "coordination.prune": (context, { beforeMs }) => {
      if (context.actor.kind === "agent") return reject("session.not-yours", "only a person forgets");
      context.emit({ type: "coordination.pruned", beforeMs });
      return accept();
    },
  },
  project: PRESENCE_PROJECTIONS,
  timers: {
    presence: (context, key) => {
      const session = selectPresent(context.sql, key.slice("presence:".length));
      if (session?.state === "lost") endPresence(context, session, "no sign of life");
    },
  },
};
