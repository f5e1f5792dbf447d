import type { Json } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol";
import type { RoomHandle } from "@canopy/core";
import { projectRoomAddress } from "@canopy/core";
import { RejectedError } from "../http/error-response.ts";
import type { RouteCall } from "../http/route.ts";
import { readParam } from "../http/route.ts";

/** The room of the project that a path names. Throws `thing.not-found`. */
export function projectRoomOf(call: RouteCall<unknown>): RoomHandle {
  const projectId = readParam(call, "project");
  const room = call.ports.host.room(projectRoomAddress(projectId));
  if (room !== undefined) return room;
  throw new CanopyError("thing.not-found", `no project ${projectId}`);
}

/** Gives a command to a room and returns the result. Throws the room's refusal. */
export function submitTo(room: RoomHandle, call: RouteCall<unknown>, command: object): Json {
  const answer = room.submit({ key: call.key, actor: call.actor, command });
  if (answer.type === "rejection") throw new RejectedError(answer);
  return answer.result;
}
