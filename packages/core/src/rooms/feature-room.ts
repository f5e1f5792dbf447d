import type { FeatureCommand, FeatureEvent } from "@canopy/protocol";
import { featureCommandSchema } from "@canopy/protocol";
import type { RoomDefinition } from "../kernel/room-definition.ts";
import { contextFeature } from "../context/context-feature.ts";
import { selectFeatureState, turnFeature } from "../turns/turn-feature.ts";
import { parseWith } from "./parse-command.ts";
import { toJson } from "./to-json.ts";

/** One per goal inside a project: sessions with their prompts, turns and transcript. */
export const featureRoom: RoomDefinition<FeatureCommand, FeatureEvent> = {
  kind: "feature",
  features: [turnFeature, contextFeature],
  parseCommand: (value) => parseWith<FeatureCommand>(featureCommandSchema, value),
  eventVersion: () => 1,
  selectState: (sql) => toJson(selectFeatureState(sql)),
};
