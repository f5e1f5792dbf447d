import type { Answer, NodeEvent } from "@canopy/protocol";
import { upsertAtEnd } from "./upsert.ts";

/** All that a client of the node room sees. */
export type NodeState = Answer<"projects">;

/** The state after an event. */
export function reduceNodeState(state: NodeState, event: NodeEvent): NodeState {
  if (event.type === "timer.fired") return state;
  const { project } = event;
  const isSame = (other: { readonly projectId: string }): boolean => other.projectId === project.projectId;
  if (event.type === "project.registered") return { projects: upsertAtEnd(state.projects, project, isSame) };
  return { projects: state.projects.filter((other) => !isSame(other)) };
}
