import { CanopyError, daemonStatusSchema, projectSchema } from "@canopy/protocol";
import { selectProject, selectProjects } from "@canopy/core";
import { z } from "zod";
import type { Route } from "../http/route.ts";
import { readNumberQuery, readParam, route } from "../http/route.ts";
import { projectRoomOf } from "./room-call.ts";

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
    handle: (call) => {
      call.ports.stop();
      return { stopping: true };
    },
  }),
  route({
    method: "get",
    path: "/workspaces",
    summary: "How workspaces are made on this machine, and why not in a better way",
    handle: (call) => call.ports.workspaceBackend(),
  }),
  route({
    method: "post",
    path: "/projects",
    summary: "Finds or registers the project of a folder",
    body: z.strictObject({ path: z.string().min(1) }),
    response: z.object({ project: projectSchema }),
    handle: async (call) => ({ project: await call.ports.openProject(call.body.path) }),
  }),
  route({
    method: "get",
    path: "/projects",
    summary: "Projects that this device knows",
    handle: (call) => ({ projects: call.ports.host.room("node")?.read((sql) => selectProjects(sql)) ?? [] }),
  }),
  route({
    method: "get",
    path: "/projects/:project",
    summary: "One project",
    response: z.object({ project: projectSchema }),
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
    handle: (call) => projectRoomOf(call).snapshot(),
  }),
  route({
    method: "get",
    path: "/projects/:project/events",
    summary: "Events after a sequence number",
    query: { after: "a sequence number", limit: "at most 1000" },
    handle: (call) => ({
      events: projectRoomOf(call).eventsAfter(
        readNumberQuery(call.query, "after", 0),
        Math.min(1000, readNumberQuery(call.query, "limit", 100)),
      ),
    }),
  }),
];
