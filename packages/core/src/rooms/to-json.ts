import type { Json } from "@canopy/protocol";

/** Turns typed state into plain JSON for the wire. */
export function toJson(value: object): Json {
  return value as Json;
}
