import type { FeatureEvent, FeatureState, Session } from "@canopy/protocol";
import type { Order } from "./upsert.ts";
import { compareText, upsertAtEnd, upsertSorted } from "./upsert.ts";

const bySessionId: Order<Session> = (left, right) => compareText(left.sessionId, right.sessionId);

/** The state after an event. Transcript entries are no part of it: they are read by page, or taken from the events. */
export function reduceFeatureState(state: FeatureState, event: FeatureEvent): FeatureState {
  if ("session" in event)
    return { ...state, sessions: upsertSorted(state.sessions, event.session, bySessionId) };
  if ("prompt" in event) {
    const { prompt } = event;
    const prompts = upsertAtEnd(state.prompts, prompt, (other) => other.promptId === prompt.promptId);
    return { ...state, prompts };
  }
  if ("turn" in event) {
    const { turn } = event;
    return { ...state, turns: upsertAtEnd(state.turns, turn, (other) => other.turnId === turn.turnId) };
  }
  if (event.type === "context.added") return { ...state, context: [...state.context, event.entry] };
  if (event.type === "context.removed") {
    return { ...state, context: state.context.filter((entry) => entry.entryId !== event.entryId) };
  }
  return state;
}
