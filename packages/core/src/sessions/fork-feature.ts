import type { ProjectCommand, ProjectEvent } from "@canopy/protocol";
import type { RoomFeature } from "../kernel/room-definition.ts";
import { decideForkSession } from "./decide-fork.ts";

/** Tasks that begin with another session's conversation. */
export const forkFeature: RoomFeature<ProjectCommand, ProjectEvent> = {
  name: "forks",
  migrations: [],
  tables: [],
  decide: { "session.fork": decideForkSession },
};
