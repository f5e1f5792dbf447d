import { CanopyError, answerSchemas, forkRequestSchema } from "@canopy/protocol";
import { featureRoomAddress, selectLastEndedTurn, selectSession } from "@canopy/core";
import { readParam, route } from "../http/route.ts";
import type { Route } from "../http/route.ts";
import { requireImages } from "./image-routes.ts";
import { projectRoomOf, submitTo } from "./room-call.ts";

/** Makes a task that begins with a session's conversation. */
export const FORK_ROUTE: Route = route({
  method: "post",
  path: "/projects/:project/sessions/:session/fork",
  summary: "Makes a task whose session begins with this one's conversation, up to its last turn that is over",
  body: forkRequestSchema,
  response: answerSchemas.task,
  successStatus: 201,
  handle: async (call) => {
    const [projectId, sessionId] = [readParam(call, "project"), readParam(call, "session")];
    const project = projectRoomOf(call);
    const session = project.read((sql) => selectSession(sql, sessionId));
    if (session === undefined) throw new CanopyError("thing.not-found", `no session ${sessionId}`);
    const feature = call.ports.host.room(featureRoomAddress(projectId, session.featureId));
    const turn = feature?.read((sql) => selectLastEndedTurn(sql, sessionId)) ?? null;
    if (turn === null) {
      throw new CanopyError("conflict", `session ${sessionId} has not finished a turn yet`, {
        hint: "fork it when it has: see canopy session show",
      });
    }
    const { body } = call;
    const agent = body.agent ?? session.agent;
    await call.ports.agents.requireConversational(projectId, agent);
    await requireImages(call, body.images ?? []);
    const { model } = body;
    const wanted = model === null ? [] : [{ agent, model, where: "the model of the fork" }];
    await call.ports.agents.checkModels(projectId, wanted);
    const command = { type: "session.fork", sessionId, throughTurnId: turn.turnId, ...body };
    return submitTo(project, call, command);
  },
});
