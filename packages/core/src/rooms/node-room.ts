import type { Json, NodeCommand, NodeEvent } from "@canopy/protocol";
import { nodeCommandSchema } from "@canopy/protocol";
import type { RoomDefinition } from "../kernel/room-definition.ts";
import { projectListFeature, selectProjects } from "../projects/project-list-feature.ts";
import { parseWith } from "./parse-command.ts";

/** One per device: the repositories it knows. */
export const nodeRoom: RoomDefinition<NodeCommand, NodeEvent> = {
  kind: "node",
  features: [projectListFeature],
  parseCommand: (value) => parseWith<NodeCommand>(nodeCommandSchema, value),
  eventVersion: () => 1,
  selectState: (sql) => ({ projects: selectProjects(sql) as unknown as Json }),
};
