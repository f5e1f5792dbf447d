import { CanopyError, answerSchemas, daemonStatusSchema } from "@canopy/protocol";
import type { Answer } from "@canopy/protocol";
import type { RoomHandle } from "@canopy/core";
import { selectProject, selectProjects } from "@canopy/core";
import { z } from "zod";
import type { Route, RouteCall } from "../http/route.ts";
import { readNumberQuery, readParam, route } from "../http/route.ts";
import { projectRoomOf } from "./room-call.ts";

const MAX_EVENTS = 1000;

function readEvents(room: RoomHandle, call: RouteCall<unknown>): Answer<"events"> {
  const after = readNumberQuery(call.query, "after", 0);
  const limit = Math.min(MAX_EVENTS, readNumberQuery(call.query, "limit", 100));
  return { events: room.eventsAfter(after, limit), lastSeq: room.lastSeq };
}

/** Endpoints of the daemon itself, its projects, and their events page by page. */
export const NODE_ROUTES: readonly Route[] = [
  route({
    method: "get",
    path: "/status",
    summary: "What the daemon is and does",
    response: daemonStatusSchema,
    handle: (call) => call.ports.status(),
  }),
  route({
    method: "post",
    path: "/stop",
    summary: "Stops the daemon gracefully",
    response: answerSchemas.stopping,
    handle: (call) => {
      call.ports.stop();
      return { stopping: true };
    },
  }),
  route({
    method: "get",
    path: "/workspaces",
    summary: "How workspaces are made on this machine, and why not in a better way",
    response: answerSchemas.workspaces,
    handle: (call) => call.ports.workspaceBackend(),
  }),
  route({
    method: "post",
    path: "/projects",
    summary: "Finds or registers the project of a folder",
    body: z.strictObject({ path: z.string().min(1) }),
    response: answerSchemas.project,
    handle: async (call) => ({ project: await call.ports.openProject(call.body.path) }),
  }),
  route({
    method: "get",
    path: "/projects",
    summary: "Projects that this device knows",
    response: answerSchemas.projects,
    handle: (call) => ({ projects: call.ports.host.room("node")?.read((sql) => selectProjects(sql)) ?? [] }),
  }),
  route({
    method: "get",
    path: "/projects/:project",
    summary: "One project",
    response: answerSchemas.project,
    handle: (call) => {
      const projectId = readParam(call, "project");
      const project = call.ports.host.room("node")?.read((sql) => selectProject(sql, projectId));
      if (project === undefined) throw new CanopyError("thing.not-found", `no project ${projectId}`);
      return { project };
    },
  }),
  route({
    method: "get",
    path: "/projects/:project/state",
    summary: "The project's snapshot and the sequence number it stands at",
    response: answerSchemas.snapshot,
    handle: (call) => projectRoomOf(call).snapshot(),
  }),
  route({
    method: "get",
    path: "/projects/:project/events",
    summary: "Events of the project after a sequence number",
    query: { after: "a sequence number", limit: "at most 1000" },
    response: answerSchemas.events,
    handle: (call) => readEvents(projectRoomOf(call), call),
  }),
  route({
    method: "get",
    path: "/events",
    summary: "Events of any room after a sequence number",
    query: {
      room: "node (the default), project/ID or feature/ID",
      after: "a sequence number",
      limit: "at most 1000",
    },
    response: answerSchemas.events,
    handle: (call) => {
      const address = call.query.get("room") ?? "node";
      const room = call.ports.host.room(address);
      if (room === undefined) throw new CanopyError("thing.not-found", `no room ${address}`);
      return readEvents(room, call);
    },
  }),
];
