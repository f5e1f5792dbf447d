import type { EventEnvelope, Json } from "@canopy/protocol";
import type { Activity, LiveDelta } from "@canopy/protocol";

/** What a connection to a room brings. */
export type RoomMessage =
  | { readonly type: "snapshot"; readonly seq: number; readonly state: Json }
  | { readonly type: "event"; readonly event: EventEnvelope }
  | LiveRoomMessage;

/** What is not kept: text as it is written, and what an agent does right now. */
export type LiveRoomMessage =
  | { readonly type: "live"; readonly delta: LiveDelta }
  | { readonly type: "activity"; readonly activity: Activity };

/** What a connection is opened for. */
export interface SourceRequest {
  readonly room: string;
  /** Undefined asks for a snapshot. */
  readonly afterSeq: number | undefined;
  readonly live: boolean;
  readonly signal: AbortSignal;
}

/**
 * One connection to a room. Ends when it is cut or aborted; throws a `CanopyError` when the server refuses, and anything
 * else when the connection failed.
 */
export type RoomSource = (request: SourceRequest) => AsyncGenerator<RoomMessage>;
