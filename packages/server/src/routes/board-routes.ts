import { boardRequestSchema, boardSchema, jsonSchema } from "@canopy/protocol";
import { resolveTask, selectBoard, selectPrefix } from "@canopy/core";
import { RejectedError } from "../http/error-response.ts";
import type { Route, RouteCall } from "../http/route.ts";
import { route } from "../http/route.ts";
import { projectRoomOf, submitTo } from "./room-call.ts";

const PATH = "/projects/:project/board";

function readTaskIds(call: RouteCall<unknown>): ReadonlySet<string> | undefined {
  const references = call.query.getAll("issue");
  if (references.length === 0) return undefined;
  return projectRoomOf(call).read((sql) => {
    const ids = references.map((reference) => {
      const resolved = resolveTask(sql, reference);
      if (resolved.type === "rejection") throw new RejectedError(resolved);
      return resolved.task.taskId;
    });
    return new Set(ids);
  });
}

/** Endpoints of the work board. */
export const BOARD_ROUTES: readonly Route[] = [
  route({
    method: "get",
    path: PATH,
    summary: "Tasks as issues of a work board, by number",
    response: boardSchema,
    query: {
      status: "comma-separated states",
      issue: "an id of an issue; repeatable",
      ready: "true: only those that can be begun",
      comments: "true: with all remarks",
      issues: "none: the prefix only",
    },
    handle: (call) => {
      if (call.query.get("issues") === "none")
        return { prefix: projectRoomOf(call).read((sql) => selectPrefix(sql)), issues: [] };
      const taskIds = readTaskIds(call);
      const statuses = call.query.get("status")?.split(",");
      const query = {
        ...(taskIds === undefined ? {} : { taskIds }),
        ...(statuses === undefined ? {} : { statuses }),
        isReady: call.query.get("ready") === "true",
        withComments: call.query.get("comments") === "true",
      };
      return projectRoomOf(call).read((sql) => selectBoard(sql, query, call.ports.now()));
    },
  }),
  route({
    method: "post",
    path: PATH,
    summary: "Changes issues of a work board",
    response: jsonSchema,
    body: boardRequestSchema,
    handle: (call) => {
      const actor = { kind: "person", id: call.body.actor } as const;
      return submitTo(projectRoomOf(call), { ...call, actor }, call.body.command);
    },
  }),
];
