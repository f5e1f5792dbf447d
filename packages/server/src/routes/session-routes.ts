import { CanopyError, answerSchemas, imagesSchema } from "@canopy/protocol";
import type { Session } from "@canopy/protocol";
import type { RoomHandle } from "@canopy/core";
import {
  GENERAL_FEATURE_ID,
  featureRoomAddress,
  selectContext,
  selectPrompts,
  selectSession,
  selectSessions,
  selectTranscript,
} from "@canopy/core";
import { z } from "zod";
import type { Route, RouteCall } from "../http/route.ts";
import { readNumberQuery, readParam, route } from "../http/route.ts";
import { requireImages } from "./image-routes.ts";
import { projectRoomOf, submitTo } from "./room-call.ts";

const PATH = "/projects/:project";

const promptBodySchema = z.strictObject({
  text: z.string().min(1).max(8_388_608),
  images: imagesSchema.optional(),
  /** In line behind the running turn, or instead of it. */
  delivery: z.enum(["queue", "interrupt"]).default("queue"),
});

function requireSession(call: RouteCall<unknown>): Session {
  const sessionId = readParam(call, "session");
  const session = projectRoomOf(call).read((sql) => selectSession(sql, sessionId));
  if (session !== undefined) return session;
  throw new CanopyError("thing.not-found", `no session ${sessionId}`);
}

function featureOf(
  call: RouteCall<unknown>,
  featureId: string,
): { readonly address: string; readonly room: RoomHandle } {
  const address = featureRoomAddress(readParam(call, "project"), featureId);
  const room = call.ports.host.room(address);
  if (room !== undefined) return { address, room };
  throw new CanopyError("thing.not-found", `no room ${address}`);
}

/** Endpoints of agents' sessions, and of what is known in a project. */
export const SESSION_ROUTES: readonly Route[] = [
  route({
    method: "get",
    path: `${PATH}/sessions`,
    summary: "Agent sessions of the project",
    response: answerSchemas.sessions,
    handle: (call) => ({
      sessions: projectRoomOf(call).read((sql) => selectSessions(sql)),
      generalFeatureId: GENERAL_FEATURE_ID,
    }),
  }),
  route({
    method: "get",
    path: `${PATH}/sessions/:session`,
    summary: "One session with its prompts, and the room whose events tell what happens in it",
    response: answerSchemas.session,
    handle: (call) => {
      const session = requireSession(call);
      const { address, room } = featureOf(call, session.featureId);
      return { session, prompts: room.read((sql) => selectPrompts(sql, session.sessionId)), room: address };
    },
  }),
  route({
    method: "get",
    path: `${PATH}/sessions/:session/transcript`,
    summary: "Transcript entries after an index",
    response: answerSchemas.transcript,
    query: { after: "an index", limit: "at most 5000" },
    handle: (call) => {
      const session = requireSession(call);
      const range = {
        afterIndex: readNumberQuery(call.query, "after", 0),
        limit: Math.min(5000, readNumberQuery(call.query, "limit", 1000)),
      };
      const { room } = featureOf(call, session.featureId);
      return { entries: room.read((sql) => selectTranscript(sql, session.sessionId, range)) };
    },
  }),
  route({
    method: "post",
    path: `${PATH}/sessions/:session/prompts`,
    summary: "Asks something of a session that is at work: behind its running turn, or instead of it",
    body: promptBodySchema,
    response: answerSchemas.promptId,
    successStatus: 201,
    handle: async (call) => {
      const { sessionId, featureId, state } = requireSession(call);
      if (state === "ended" || state === "lost") {
        throw new CanopyError("conflict", `session ${sessionId} is ${state}`, {
          hint: "comment on its task, or file another; a run takes it up",
        });
      }
      const { text, delivery, images = [] } = call.body;
      await requireImages(call, images);
      const author = call.actor.id;
      const command = {
        type: "prompt.submit",
        sessionId,
        author,
        text,
        delivery,
        ...(images.length === 0 ? {} : { images }),
      };
      return submitTo(featureOf(call, featureId).room, call, command);
    },
  }),
  route({
    method: "get",
    path: `${PATH}/context`,
    summary: "What agents and people of the project should know, oldest first",
    response: answerSchemas.context,
    handle: (call) => {
      const { room } = featureOf(call, GENERAL_FEATURE_ID);
      return { context: room.read((sql) => selectContext(sql)) };
    },
  }),
];
