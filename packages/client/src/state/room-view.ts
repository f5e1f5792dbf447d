import type { EventEnvelope, FeatureState, Json, ProjectState } from "@canopy/protocol";
import {
  CanopyError,
  answerSchemas,
  featureEventSchema,
  featureStateSchema,
  nodeEventSchema,
  projectEventSchema,
  projectStateSchema,
} from "@canopy/protocol";
import { reduceFeatureState } from "./reduce-feature-state.ts";
import type { NodeState } from "./reduce-node-state.ts";
import { reduceNodeState } from "./reduce-node-state.ts";
import { reduceProjectState } from "./reduce-project-state.ts";

/** How one kind of room is kept by a client: its address, how its snapshot is read, and what an event does to it. */
export interface RoomView<S> {
  readonly address: string;
  /** Throws `internal` when the snapshot has an unknown shape. */
  readonly parseState: (state: Json) => S;
  /** The state after an event; an event of a kind that this version does not know changes nothing. */
  readonly apply: (state: S, event: EventEnvelope) => S;
}

interface Schema<T> {
  safeParse(value: unknown): { readonly success: true; readonly data: T } | { readonly success: false };
}

interface ViewParts<S, E> {
  readonly state: Schema<S>;
  readonly event: Schema<E>;
  readonly reduce: (state: S, event: E) => S;
}

function createView<S, E>(address: string, { state, event, reduce }: ViewParts<S, E>): RoomView<S> {
  return {
    address,
    parseState: (value) => {
      const parsed = state.safeParse(value);
      if (parsed.success) return parsed.data;
      throw new CanopyError("internal", `the snapshot of ${address} has an unknown shape`);
    },
    apply: (current, envelope) => {
      const parsed = event.safeParse(Object.assign({ type: envelope.type }, envelope.payload));
      return parsed.success ? reduce(current, parsed.data) : current;
    },
  };
}

/** The room of a project: tasks, runs, attempts, changes, sessions. */
export function projectView(projectId: string): RoomView<ProjectState> {
  return createView(`project/${projectId}`, {
    state: projectStateSchema,
    event: projectEventSchema,
    reduce: reduceProjectState,
  });
}

/** The room of a feature, by its address `feature/...`: sessions, prompts, turns. */
export function featureView(address: string): RoomView<FeatureState> {
  return createView(address, {
    state: featureStateSchema,
    event: featureEventSchema,
    reduce: reduceFeatureState,
  });
}

/** The room of the device: the repositories that it knows. */
export function nodeView(): RoomView<NodeState> {
  return createView("node", {
    state: answerSchemas.projects,
    event: nodeEventSchema,
    reduce: reduceNodeState,
  });
}
