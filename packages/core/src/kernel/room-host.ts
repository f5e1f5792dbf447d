import type { Activity, Actor, EventEnvelope, Json, LiveDelta } from "@canopy/protocol";
import type { SubmitAnswer } from "./journal.ts";
import type { Sql } from "./sql.ts";

/** Something live-only for the viewers of a room. */
export type LiveMessage =
  | { readonly type: "live"; readonly delta: LiveDelta }
  | { readonly type: "activity"; readonly activity: Activity };

/** What a subscriber of a room is told. Calls are in order and must not throw. */
export interface RoomSubscriber {
  events(events: readonly EventEnvelope[]): void;
  live?(message: LiveMessage): void;
}

/**
 * One room as servers and runners see it, wherever it runs. Reads between `snapshot` and `subscribe` made in the same
 * tick see the same sequence number, so nothing is missed.
 */
export interface RoomHandle {
  readonly lastSeq: number;
  submit(request: { readonly key: string; readonly actor: Actor; readonly command: unknown }): SubmitAnswer;
  snapshot(): { readonly seq: number; readonly state: Json };
  eventsAfter(seq: number, limit: number): EventEnvelope[];
  read<T>(query: (sql: Sql) => T): T;
  subscribe(subscriber: RoomSubscriber): () => void;
  publishLive(message: LiveMessage): void;
}

/** Finds rooms by address (`node`, `project/ID`, `feature/ID`). Undefined when there is no such room. */
export interface RoomHost {
  room(address: string): RoomHandle | undefined;
}
