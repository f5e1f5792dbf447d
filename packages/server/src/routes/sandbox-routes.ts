import { answerSchemas } from "@canopy/protocol";
import type { Route } from "../http/route.ts";
import { readParam, route } from "../http/route.ts";
import { projectRoomOf } from "./room-call.ts";

/** Endpoints of a project's sandboxes. */
export const SANDBOX_ROUTES: readonly Route[] = [
  route({
    method: "get",
    path: "/projects/:project/sandbox/refusals",
    summary:
      "Connections that sandboxes were not let out for, oldest first, with the command that allows each",
    response: answerSchemas.refusals,
    handle: async (call) => {
      projectRoomOf(call);
      return { refusals: await call.ports.listRefusals(readParam(call, "project")) };
    },
  }),
];
